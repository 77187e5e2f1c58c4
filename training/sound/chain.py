"""Random chain of acoustic changes for varied copies of whole clips."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from training.sound.claps import add_room
from training.sound.device import apply_codec, apply_microphone, band_limit, clip_hard, clip_soft
from training.sound.noise import apply_gain
from training.sound.rooms import make_room_response, make_street_response, simulate_distance
from training.sound.time import SEMITONES, pitch_shift

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.random import Generator
    from numpy.typing import NDArray

    Step = Callable[[NDArray[np.float32], int, Generator], NDArray[np.float32]]

_CODEC_WEIGHTS = {"vorbis": 0.3, "mp3": 0.35, "opus": 0.05, "gsm": 0.1, "mu_law": 0.1, "adpcm": 0.1}
"""Frequency of each codec; Opus is slow, and most recordings are in it already."""
_BAND_RATES_HZ = (8_000, 8_000, 11_025, 12_000)
_FAINTEST = 1e-6


def _pitch(samples: NDArray[np.float32], rate_hz: int, rng: Generator) -> NDArray[np.float32]:
    return pitch_shift(samples, rate_hz, rng.uniform(*SEMITONES))


def _distance(samples: NDArray[np.float32], rate_hz: int, rng: Generator) -> NDArray[np.float32]:
    """Simulate 5 to 300 m in any weather, sometimes around a corner."""
    return simulate_distance(
        samples,
        rate_hz,
        np.exp(rng.uniform(np.log(5.0), np.log(300.0))),
        humidity_percent=rng.uniform(20.0, 95.0),
        temperature_c=rng.uniform(-5.0, 35.0),
        ground=rng.uniform(0.0, 0.9),
        height_m=rng.uniform(0.8, 4.0),
        detour_m=rng.uniform(0.02, 2.0) if rng.random() < 0.3 else 0.0,  # noqa: PLR2004
    )


def _space(samples: NDArray[np.float32], rate_hz: int, rng: Generator) -> NDArray[np.float32]:
    response = make_street_response if rng.random() < 0.6 else make_room_response  # noqa: PLR2004
    return add_room(samples, response(rate_hz, rng))


def _microphone(samples: NDArray[np.float32], rate_hz: int, rng: Generator) -> NDArray[np.float32]:
    return apply_microphone(samples, rate_hz, rng.uniform(1.0, 5.0), rng)


def _clip(samples: NDArray[np.float32], _rate_hz: int, rng: Generator) -> NDArray[np.float32]:
    clip = clip_hard if rng.random() < 0.5 else clip_soft  # noqa: PLR2004
    return clip(samples, rng.uniform(3.0, 20.0))


def _band(samples: NDArray[np.float32], rate_hz: int, rng: Generator) -> NDArray[np.float32]:
    return band_limit(samples, rate_hz, int(rng.choice(_BAND_RATES_HZ)))


def _codec(samples: NDArray[np.float32], rate_hz: int, rng: Generator) -> NDArray[np.float32]:
    name = rng.choice(tuple(_CODEC_WEIGHTS), p=tuple(_CODEC_WEIGHTS.values()))
    return apply_codec(samples, rate_hz, str(name), rng)


_STEPS: tuple[tuple[float, Step], ...] = (
    (0.4, _pitch),
    (0.35, _distance),
    (0.5, _space),
    (0.5, _microphone),
    (0.1, _clip),
    (0.15, _band),
    (0.5, _codec),
)
"""The steps in their order, each with its chance."""


def vary(samples: NDArray[np.float32], rate_hz: int, rng: Generator) -> NDArray[np.float32]:
    """Return a varied copy of a clip of shape (n,), with its length and timing.

    Pitch, distance, room or street, microphone, clipping, band limit and codec are each applied by their chance. A
    recorder is turned up for distant sounds: each step's loss of level is restored, and the level then changes by -12
    to 6 dB, less where full scale would be exceeded. Empty and silent clips are returned unchanged.
    """
    before = _compute_rms(samples)
    if before < _FAINTEST:
        return np.array(samples, np.float32)
    out = samples
    for chance, step in _STEPS:
        if rng.random() < chance:
            out = _restore_level(step(out, rate_hz, rng), before)
    out = apply_gain(out, rng.uniform(-12.0, 6.0))
    peak = float(np.abs(out).max())
    return np.asarray(out / max(1.0, peak), np.float32)


def _restore_level(samples: NDArray[np.float32], level: float) -> NDArray[np.float32]:
    """Scale a clip to a level.

    A clip that a step made silent is left as it is.
    """
    now = _compute_rms(samples)
    return np.asarray(samples * np.float32(level / now), np.float32) if now > _FAINTEST else samples


def _compute_rms(samples: NDArray[np.float32]) -> float:
    """Return the root mean square of a clip, 0 for an empty one."""
    return float(np.sqrt(np.mean(np.square(samples)))) if samples.size else 0.0
