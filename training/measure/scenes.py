"""Synthetic scenes of sounds in noise: recall by SNR, and event-based F1.

A scene is a held-out clip with held-out background before, under and after it: the network was trained on neither.
"""

from __future__ import annotations

import dataclasses
import hashlib
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from edge.frontend.mel import log_mel
from training.data.features import load_audio
from training.measure.events import Delay, EventCount, count_events, find_events, find_loud_events
from training.sound.noise import loud_power, mix_at_snr

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from edge.frontend.params import FrontEndParams
    from training.data.manifest import Clip
    from training.measure.trial import Trial

    Samples = NDArray[np.float32]
    Decide = Callable[[NDArray[np.float32]], NDArray[np.float64]]
    """Log-mel (frames, n_mels) → calibrated probabilities (decisions, labels), the first after a whole window."""

SNRS_DB: tuple[float | None, ...] = (None, 20.0, 10.0, 5.0, 0.0)
"""Signal-to-noise ratios; None is the clip as it was recorded."""
EVENT_SNR_DB = 10.0
"""Signal-to-noise ratio of event-based F1."""
_AFTER_S = 1.0
_AFTER_SHARE = 0.8
"""Share of a window for which a short sound is detected after its end."""
_TINY = 1e-12


@dataclasses.dataclass(frozen=True, slots=True)
class SceneMaker:
    """Maker of scenes: held-out clips in held-out background, reproducible by a seed."""

    data: Path
    params: FrontEndParams
    background: tuple[str, ...]
    """Classes that are background."""
    impulsive: Collection[str] = ()
    """Classes of short sounds."""
    most: int = 60
    """Largest number of clips of each event and fold, from as many recordings as possible."""
    seed: int = 3

    def get_delay(self, label: str) -> Delay:
        """Return the delay of decisions, as the service computes it.

        A short sound is detected at once and until it leaves the window; a lasting one must fill half a window.
        """
        window_s = self.params.window_s
        return Delay(0.0, _AFTER_SHARE * window_s) if label in self.impulsive else Delay(window_s / 2, window_s / 2)

    def select(self, clips: Sequence[Clip]) -> list[Clip]:
        """Select up to `most` clips, shuffled by the seed.

        Each recording gives one clip before any gives a second.
        """
        shuffled = sorted(clips, key=lambda clip: hashlib.sha256(f"{self.seed} {clip.file}".encode()).digest())
        seen: dict[str, int] = {}
        ranked = []
        for clip in shuffled:
            seen[clip.group] = seen.get(clip.group, -1) + 1
            ranked.append((seen[clip.group], clip))
        return [clip for _, clip in sorted(ranked, key=lambda pair: pair[0])][: self.most]

    def read(self, clip: Clip) -> NDArray[np.float32]:
        """Read a clip."""
        return load_audio(self.data / clip.file, self.params.sample_rate_hz)

    def compute_features(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the log-mel, shape (frames, n_mels), of at least one frame."""
        return log_mel(np.pad(samples, (0, max(0, self.params.n_fft - samples.size))), self.params)

    def make_scene(
        self, sound: NDArray[np.float32], under: NDArray[np.float32], snr_db: float | None, number: int
    ) -> NDArray[np.float32]:
        """Return the log-mel of a sound with background before, under and after it.

        The background is `snr_db` below the loudest tenth of the sound; for None there is silence around it. The newest
        step of a network's first decision is the first of the sound.
        """
        params = self.params
        before = (params.window_frames - params.decision_frames) * params.hop_samples
        around = np.pad(sound, (before, round(_AFTER_S * params.sample_rate_hz)))
        if snr_db is None:
            return self.compute_features(around)
        # the silence around a sound makes its loudest tenth quieter
        dilution = loud_power(around, params.sample_rate_hz) / max(loud_power(sound, params.sample_rate_hz), _TINY)
        rng = np.random.default_rng([self.seed, number])
        ratio_db = snr_db + 10.0 * float(np.log10(max(dilution, _TINY)))
        return self.compute_features(mix_at_snr(around, under, params.sample_rate_hz, ratio_db, rng))


@dataclasses.dataclass(slots=True)
class SceneCount:
    """Detections of one event."""

    found: dict[float | None, list[bool]] = dataclasses.field(default_factory=lambda: {snr: [] for snr in SNRS_DB})
    """By ratio, whether each clip of the event reached the threshold `on`."""
    events: EventCount = dataclasses.field(default_factory=EventCount)
    """Onsets and offsets, at `EVENT_SNR_DB`; detections in scenes of other events count too."""
    onsets: EventCount = dataclasses.field(default_factory=EventCount)
    """The same with onsets alone."""


def score_scenes(
    networks: Sequence[tuple[Trial, Decide]], labels: Sequence[str], events: Sequence[str], maker: SceneMaker
) -> dict[str, SceneCount]:
    """Score scenes of each event by each fold's own network.

    A trial without held-out background takes no part. Raises what `load_audio` does.
    """
    counts = {event: SceneCount() for event in events}
    for trial, decide in networks:
        behind = [clip for clip in trial.scored.clips if clip.label in maker.background]
        holding = {event: [clip for clip in trial.scored.clips if event in clip.labels] for event in events}
        chosen = [(event, clip) for event in events for clip in maker.select(holding[event])]
        for event, clip in tqdm(chosen, f"scenes {trial.name}", unit="clip", disable=None, leave=False):
            free = [under for under in behind if event not in under.labels]
            if free:
                under = free[_hash_clip(maker.seed, clip) % len(free)]
                _score_scene(trial, decide, maker, _Scene(event, clip, under), counts, labels)
    return counts


@dataclasses.dataclass(frozen=True, slots=True)
class _Scene:
    event: str
    clip: Clip
    under: Clip

    def is_known(self, label: str) -> bool:
        """Return whether the times of a label are known in this scene."""
        return label == self.event or label not in (*self.clip.labels, *self.under.labels)


def _score_scene(
    trial: Trial, decide: Decide, maker: SceneMaker, scene: _Scene, counts: dict[str, SceneCount], labels: Sequence[str]
) -> None:
    sound, under = maker.read(scene.clip), maker.read(scene.under)
    step_s = maker.params.decision_frames / maker.params.frames_per_s
    for snr_db in SNRS_DB:
        chances = decide(maker.make_scene(sound, under, snr_db, scene.clip.index))
        found = chances[:, labels.index(scene.event)].max() >= trial.thresholds[scene.event]["on"]
        counts[scene.event].found[snr_db].append(bool(found))
        if snr_db != EVENT_SNR_DB:
            continue
        for label in filter(scene.is_known, counts):
            rule = trial.thresholds[label]
            found = find_events(
                chances[:, labels.index(label)], rule["on"], rule["off"], step_s, maker.get_delay(label)
            )
            wanted = find_loud_events(maker.compute_features(sound), maker.params) if label == scene.event else []
            counts[label].events += count_events(wanted, found)
            counts[label].onsets += count_events(wanted, found, offsets=False)


def _hash_clip(seed: int, clip: Clip) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed} {clip.file} under".encode()).digest()[:8], "big")
