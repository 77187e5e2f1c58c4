"""Parameters of the front end, in one frozen record that is part of every model."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

# Limits that a small device can bear: a record may come from anywhere, and its numbers become sizes of arrays.
_MOST = {
    "sample_rate_hz": 384_000,
    "n_fft": 16_384,
    "hop_samples": 16_384,
    "n_mels": 512,
    "window_frames": 16_384,
    "decision_frames": 16_384,
}
_LARGEST, _TINIEST = 1e6, 1e-30
_LONGEST_S, _FASTEST_HZ, _MOST_OVERLAP = 60.0, 100, 32


@dataclasses.dataclass(frozen=True, slots=True)
class FrontEndParams:
    """Parameters of the conversion from sound to log-mel frames.

    The record is part of a checkpoint and of a bundle's manifest; it is never a setting, because a network only works
    with the features that it was trained on.
    """

    sample_rate_hz: int = 16_000
    n_fft: int = 512
    """Samples in a frame, and the length of its Fourier transform."""
    hop_samples: int = 250
    """Samples between frames: 64 frames a second at 16 kHz."""
    n_mels: int = 64
    fmin_hz: float = 40.0
    fmax_hz: float = 7_800.0
    log_floor: float = 1e-8
    """Added to each mel band's power before the logarithm: the level of silence."""
    offset: float = 10.0
    scale: float = 0.2
    """A feature is ``(ln(power + log_floor) + offset) * scale``: a fixed affine map, independent of the recording."""
    window_frames: int = 96
    """Frames in one window of the network."""
    decision_frames: int = 8
    """Frames between two decisions: eight a second."""

    def __post_init__(self) -> None:
        """Raise ``ValueError`` for parameters that cannot describe a front end."""
        for name, most in _MOST.items():
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= most:
                msg = f"front end: {name} must be a positive whole number up to {most}, not {value!r:.40}"
                raise ValueError(msg)
        for name in ("fmin_hz", "fmax_hz", "log_floor", "offset", "scale"):
            value = getattr(self, name)
            if not isinstance(value, (int, float)) or isinstance(value, bool) or not abs(value) <= _LARGEST:
                msg = f"front end: {name} must be a number up to {_LARGEST:g}, not {value!r:.40}"
                raise ValueError(msg)
        if not self.n_fft <= self.hop_samples * _MOST_OVERLAP or self.hop_samples > self.n_fft:
            limits = f"between a frame of {self.n_fft} and its {_MOST_OVERLAP}th part"
            msg = f"front end: hop_samples must be {limits}, not {self.hop_samples}"
            raise ValueError(msg)
        if not 0 <= self.fmin_hz < self.fmax_hz <= self.sample_rate_hz / 2:
            limits = f"0 <= fmin_hz < fmax_hz <= {self.sample_rate_hz / 2}"
            msg = f"front end: need {limits}, not {self.fmin_hz}, {self.fmax_hz}"
            raise ValueError(msg)
        if not self.log_floor >= _TINIEST or not self.scale >= _TINIEST:
            msg = f"front end: log_floor and scale must be {_TINIEST:g} or more"
            raise ValueError(msg)
        if self.window_s > _LONGEST_S or self.decision_frames > self.window_frames:
            msg = f"front end: a window may last {_LONGEST_S:g} s, and needs the frames between two decisions"
            raise ValueError(msg)
        if self.decision_samples * _FASTEST_HZ < self.sample_rate_hz:
            decisions = self.frames_per_s / self.decision_frames
            msg = f"front end: at most {_FASTEST_HZ} decisions a second, not {decisions:.0f}"
            raise ValueError(msg)

    @property
    def window_samples(self) -> int:
        """Samples in one window of the network."""
        return (self.window_frames - 1) * self.hop_samples + self.n_fft

    @property
    def window_s(self) -> float:
        """Seconds in one window of the network."""
        return self.window_samples / self.sample_rate_hz

    @property
    def decision_samples(self) -> int:
        """Samples between two decisions."""
        return self.decision_frames * self.hop_samples

    @property
    def frames_per_s(self) -> float:
        """Frames in a second of sound."""
        return self.sample_rate_hz / self.hop_samples

    @property
    def silence(self) -> float:
        """The feature value of digital silence."""
        return (math.log(self.log_floor) + self.offset) * self.scale

    def count_frames(self, samples: int) -> int:
        """Return the number of whole frames in `samples` samples."""
        return 0 if samples < self.n_fft else (samples - self.n_fft) // self.hop_samples + 1

    def to_dict(self) -> dict[str, Any]:
        """Return the record as plain JSON values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> FrontEndParams:
        """Read a record that `to_dict` wrote.

        Raises `ValueError` for an unknown name, because that parameter would change the features.
        """
        known = {field.name for field in dataclasses.fields(cls)}
        if unknown := sorted(set(values) - known):
            msg = f"front end: unknown parameter {', '.join(unknown)}"
            raise ValueError(msg)
        return cls(**values)
