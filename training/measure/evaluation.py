"""Evaluation of a network: calibrated on validation clips, measured on test clips."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from training.data.dataset import open_checkpoint_recordings
from training.data.fit import fit_to_labels
from training.measure.calibration import Calibration, calibrate, choose_thresholds, label_windows
from training.measure.figures import count_figures
from training.measure.pool import pool_trials
from training.measure.schema import summarize
from training.measure.scoring import ClipScores, compute_clip_logits, score_clips
from training.measure.trial import Trial, apply_calibration

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import nn

    from training.checkpoint import Checkpoint
    from training.config import Config
    from training.data.dataset import Recordings
    from training.data.features import FeatureStore
    from training.data.manifest import Clip
    from training.data.teacher import Teacher
    from training.measure.pool import PooledTrials

    Floats = NDArray[np.float64]

PRIOR = 0.1
"""Assumed share of windows that hold a sound: the prior of the calibrated scores."""
ALLOWED_SHORT, ALLOWED_LASTING = 0.001, 0.003
"""Share of windows without a sound that may reach its threshold `on`. One window decides on a short sound, while the
scores of a lasting one are smoothed first."""
BOUNDS = (0.4, 0.9)
"""Lowest and highest `on`."""


@dataclasses.dataclass(frozen=True, slots=True)
class Evaluator:
    """Recordings and settings for the evaluation of networks."""

    labels: tuple[str, ...]
    store: FeatureStore
    teacher: Teacher | None
    config: Config

    @classmethod
    def from_recordings(cls, have: Recordings, config: Config) -> Evaluator:
        """Make an evaluator of some recordings, by the settings of a run."""
        return cls(have.labels, have.store, have.teacher, config)

    @property
    def hop_frames(self) -> int:
        """Frames between two scored windows, as in the service."""
        return self.store.params.decision_frames

    def label_clips(self, clips: Sequence[Clip]) -> list[Floats]:
        """Return the truth of every window of some clips."""
        rest = (self.labels, self.store, self.teacher, self.config, self.hop_frames)
        return [label_windows(clip, *rest) for clip in clips]

    def pool(self, trials: Sequence[Trial]) -> PooledTrials:
        """Pool the held-out clips of some trials."""
        background = fit_to_labels(self.config.data, self.labels).background
        return pool_trials(trials, self.labels, background, self.hop_frames / self.store.params.frames_per_s, PRIOR)


@dataclasses.dataclass(frozen=True, slots=True)
class CalibratedNetwork:
    """A network with its calibration, and its scores of held-out clips."""

    model: nn.Module
    calibration: Calibration
    trial: Trial
    evaluator: Evaluator
    exclusive: bool
    """Whether exactly one label holds, so that softmax shares are the probabilities."""

    def decide(self, log_mel: NDArray[np.float32]) -> Floats:
        """Return the probabilities (decisions, labels) of log-mel (frames, n_mels)."""
        logits = compute_clip_logits(self.model, log_mel, self.evaluator.store.params, self.evaluator.hop_frames)
        return self.calibration(_to_share_logits(logits) if self.exclusive else logits)


@dataclasses.dataclass(frozen=True, slots=True)
class Evaluation:
    """A network's calibration, thresholds and figures."""

    calibration: Calibration
    thresholds: Mapping[str, Mapping[str, float]]
    figures: dict[str, dict[str, Any]]
    """Counts and figures on the test part by label; None for a figure that could not be measured."""


def calibrate_and_score(
    model: nn.Module, name: str, parts: Mapping[str, Sequence[Clip]], evaluator: Evaluator, *, exclusive: bool = False
) -> CalibratedNetwork:
    """Calibrate on ``parts["validation"]``, then score ``parts["test"]``.

    With `exclusive`, for a network that learnt a softmax, its shares are not calibrated: fitting each label by itself
    would break their sum.
    """
    scored = [score_clips(model, parts[part], evaluator.store, evaluator.hop_frames) for part in ("validation", "test")]
    if exclusive:
        scored = [ClipScores(one.clips, [_to_share_logits(logits) for logits in one.windows]) for one in scored]
    seen, unseen = scored
    truths = evaluator.label_clips(seen.clips)
    ones = np.ones(len(evaluator.labels))
    calibration = Calibration(ones, 0.0 * ones) if exclusive else calibrate(seen, truths, PRIOR)
    scores = np.concatenate([calibration(logits) for logits in seen.windows])
    short = evaluator.config.data.impulsive
    allowed = [ALLOWED_SHORT if label in short else ALLOWED_LASTING for label in evaluator.labels]
    chosen = choose_thresholds(evaluator.labels, scores, np.concatenate(truths), allowed, BOUNDS)
    unseen = apply_calibration(unseen, calibration)
    known = frozenset(clip.corpus for part in ("train", "validation") for clip in parts[part])
    trial = Trial(name, unseen, evaluator.label_clips(unseen.clips), chosen, known)
    return CalibratedNetwork(model, calibration, trial, evaluator, exclusive)


def _to_share_logits(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the logits of a softmax's shares.

    Each label is compared with all others together.
    """
    others = [np.logaddexp.reduce(np.delete(logits, column, axis=1), axis=1) for column in range(logits.shape[1])]
    return np.asarray(logits - np.stack(others, axis=1), np.float32)


def evaluate(model: nn.Module, parts: Mapping[str, Sequence[Clip]], evaluator: Evaluator) -> Evaluation:
    """Calibrate on ``parts["validation"]``, then measure on ``parts["test"]``."""
    network = calibrate_and_score(model, "test part", parts, evaluator)
    figures = count_figures(evaluator.pool([network.trial]), (), "", "")
    return Evaluation(network.calibration, network.trial.thresholds, summarize(figures))


def evaluate_checkpoint(data: Path, cache: Path, checkpoint: Checkpoint) -> Evaluation:
    """Calibrate and measure a network on its own division of the recordings in `data`.

    Raises what `open_checkpoint_recordings` does.
    """
    have = open_checkpoint_recordings(data, cache, checkpoint)
    return evaluate(checkpoint.model, have.parts, Evaluator.from_recordings(have, checkpoint.config))
