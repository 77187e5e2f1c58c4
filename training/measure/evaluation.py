"""The honest figures of a network: calibrated on the validation part, counted on the test part."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from training.data.fit import fit_to_labels
from training.data.material import recordings_of
from training.measure.calibration import Calibration, calibrate, thresholds, window_truth
from training.measure.figures import measure
from training.measure.held import pool_trials
from training.measure.schema import measured
from training.measure.scoring import ClipScores, logits_of_clip, score_clips
from training.measure.trial import Trial, calibrated

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import nn

    from training.checkpoint import Checkpoint
    from training.config import Config
    from training.data.features import FeatureStore
    from training.data.manifest import Clip
    from training.data.material import Recordings
    from training.data.teacher import Teacher
    from training.measure.held import Held

    Floats = NDArray[np.float64]

PRIOR = 0.1
"""Share of windows that is taken to hold a sound: the prior of the calibrated scores."""
ALLOWED_SHORT, ALLOWED_LASTING = 0.001, 0.003
"""Share of windows without a sound that may reach its threshold `on`: one window decides on a short sound, while the
scores of a lasting one are smoothed first."""
BOUNDS = (0.4, 0.9)
"""Lowest and highest `on`."""


@dataclasses.dataclass(frozen=True, slots=True)
class Judge:
    """What figures are counted with."""

    labels: tuple[str, ...]
    store: FeatureStore
    teacher: Teacher | None
    config: Config

    @classmethod
    def of(cls, have: Recordings, config: Config) -> Judge:
        """Return what counts figures on some recordings, by the settings of a run."""
        return cls(have.labels, have.store, have.teacher, config)

    @property
    def hop_frames(self) -> int:
        """Frames between the windows that are scored: the service's own grid."""
        return self.store.params.decision_frames

    def truths(self, clips: Sequence[Clip]) -> list[Floats]:
        """Return what is known of every window of some clips."""
        rest = (self.labels, self.store, self.teacher, self.config, self.hop_frames)
        return [window_truth(clip, *rest) for clip in clips]

    def held(self, trials: Sequence[Trial]) -> Held:
        """Put together what some trials held out."""
        background = fit_to_labels(self.config.data, self.labels).background
        return pool_trials(trials, self.labels, background, self.hop_frames / self.store.params.frames_per_s, PRIOR)


@dataclasses.dataclass(frozen=True, slots=True)
class Heard:
    """A network with its calibration, and what it said of its held-out clips."""

    model: nn.Module
    calibration: Calibration
    trial: Trial
    judge: Judge
    exclusive: bool
    """Whether one label holds at a time: a softmax's shares are its probabilities."""

    def decide(self, log_mel: NDArray[np.float32]) -> Floats:
        """Return the probabilities, shape (decisions, labels), of log-mel of shape (frames, n_mels)."""
        logits = logits_of_clip(self.model, log_mel, self.judge.store.params, self.judge.hop_frames)
        return self.calibration(_share_logits(logits) if self.exclusive else logits)


@dataclasses.dataclass(frozen=True, slots=True)
class Evaluation:
    """A network's calibration, thresholds and figures."""

    calibration: Calibration
    thresholds: Mapping[str, Mapping[str, float]]
    figures: dict[str, dict[str, Any]]
    """For each label: counts, and what was measured on the test part; None where there was nothing to measure on."""


def hear(
    model: nn.Module, name: str, parts: Mapping[str, Sequence[Clip]], judge: Judge, *, exclusive: bool = False
) -> Heard:
    """Calibrate on ``parts["validation"]``, then listen to ``parts["test"]``.

    With `exclusive`, for a network that learnt a softmax, its shares count as they are: to fit each label by itself
    would take the labels apart again.
    """
    scored = [score_clips(model, parts[part], judge.store, judge.hop_frames) for part in ("validation", "test")]
    if exclusive:
        scored = [ClipScores(one.clips, [_share_logits(logits) for logits in one.windows]) for one in scored]
    seen, unseen = scored
    truths = judge.truths(seen.clips)
    ones = np.ones(len(judge.labels))
    calibration = Calibration(ones, 0.0 * ones) if exclusive else calibrate(seen, truths, PRIOR)
    scores = np.concatenate([calibration(logits) for logits in seen.windows])
    short = judge.config.data.impulsive
    allowed = [ALLOWED_SHORT if label in short else ALLOWED_LASTING for label in judge.labels]
    chosen = thresholds(judge.labels, scores, np.concatenate(truths), allowed, BOUNDS)
    unseen = calibrated(unseen, calibration)
    known = frozenset(clip.corpus for part in ("train", "validation") for clip in parts[part])
    trial = Trial(name, unseen, judge.truths(unseen.clips), chosen, known)
    return Heard(model, calibration, trial, judge, exclusive)


def _share_logits(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the logits of a softmax's shares, each label against all others together."""
    others = [np.logaddexp.reduce(np.delete(logits, column, axis=1), axis=1) for column in range(logits.shape[1])]
    return np.asarray(logits - np.stack(others, axis=1), np.float32)


def evaluate(model: nn.Module, parts: Mapping[str, Sequence[Clip]], judge: Judge) -> Evaluation:
    """Calibrate on ``parts["validation"]``, then measure on ``parts["test"]``."""
    heard = hear(model, "test part", parts, judge)
    figures = measure(judge.held([heard.trial]), (), "", "")
    return Evaluation(heard.calibration, heard.trial.thresholds, measured(figures))


def evaluate_checkpoint(data: Path, cache: Path, checkpoint: Checkpoint) -> Evaluation:
    """Calibrate a network and measure it on the test part of its own division of the recordings in `data`.

    Raises what `recordings_of` does.
    """
    have = recordings_of(data, cache, checkpoint)
    return evaluate(checkpoint.model, have.parts, Judge.of(have, checkpoint.config))
