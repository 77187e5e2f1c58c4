"""Calibration of logits to probabilities, and decision thresholds.

Both are fitted on recordings that the network was not trained on.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import torch

from training.data.onsets import find_loud_frames, find_onsets

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from edge.frontend.params import FrontEndParams
    from training.config import Config
    from training.data.features import FeatureStore
    from training.data.manifest import Clip
    from training.data.teacher import Teacher
    from training.measure.scoring import ClipScores

    Floats = NDArray[np.float64]

_HEARD_FRAMES = 4
_LOUD_SHARE = 0.25
_NEWTON_STEPS = 50
_PULL = 1e-3
"""Strength of the regularisation towards scale 1 and bias 0, for classes of few clips."""


@dataclasses.dataclass(frozen=True, slots=True)
class Calibration:
    """Calibration with probability = sigmoid(scale * logit + bias), each (labels,)."""

    scale: Floats
    bias: Floats

    def __call__(self, logits: NDArray[np.float32]) -> Floats:
        """Return the probabilities of logits of shape (windows, labels)."""
        return np.asarray(1.0 / (1.0 + np.exp(-(self.scale * logits + self.bias))), np.float64)


def label_windows(
    clip: Clip, labels: Sequence[str], store: FeatureStore, teacher: Teacher | None, config: Config, hop_frames: int
) -> Floats:
    """Return the truth of each window of a clip, (windows, labels): 1, 0 or NaN.

    NaN means unknown. A clip's own labels hold in windows with an onset (classes of short sounds) or with loud frames
    in a quarter of them (others). Another label does not hold, unless the teacher considers it possible.
    """
    mel, params = store.get(clip), store.params
    shift = max(0, params.window_frames - len(mel))
    begins = np.arange(0, max(1, len(mel) - params.window_frames + 1), hop_frames) - shift
    truth = np.zeros((len(begins), len(labels)))
    if teacher is not None:
        centre_s = torch.from_numpy((begins + params.window_frames / 2) / params.frames_per_s)
        soft = teacher.look_up(torch.full((len(begins),), clip.index), centre_s).numpy()
        truth[soft > config.train.unsure_above] = np.nan
    for label in clip.labels:
        enough = _holds_enough(mel, begins, params, impulsive=label in config.data.impulsive)
        truth[:, labels.index(label)] = np.where(enough, 1.0, np.nan)
    return truth


def _holds_enough(
    mel: NDArray[np.float32], begins: NDArray[np.int64], params: FrontEndParams, *, impulsive: bool
) -> NDArray[np.bool_]:
    """Return whether each window holds enough of a clip's sound."""
    anchors = find_onsets(mel, params) if impulsive else find_loud_frames(mel, params)
    last = params.window_frames - (_HEARD_FRAMES if impulsive else 0)
    held = (anchors >= begins[:, None]) & (anchors < begins[:, None] + last)
    return np.asarray(held.sum(axis=1) >= (1 if impulsive else _LOUD_SHARE * min(params.window_frames, len(mel))))


def fit_platt(logits: Floats, truth: NDArray[np.bool_], weights: Floats) -> tuple[float, float]:
    """Fit the weighted logistic regression of `truth` on `logits`; return (scale, bias).

    All arrays have the shape (n,). Newton's method on two parameters (Platt 1999, Lin et al. 2007), with a small pull
    towards (1, 0). The scale is kept positive: a calibration must not reverse an order.
    """
    weights = weights / weights.sum()
    start = np.array([1.0, 0.0])
    theta, design = start.copy(), np.stack([logits, np.ones_like(logits)], axis=1)
    for _ in range(_NEWTON_STEPS):
        chance = 1.0 / (1.0 + np.exp(-np.clip(design @ theta, -30, 30)))
        slope = design.T @ (weights * (chance - truth)) + _PULL * (theta - start)
        curve = (design * (weights * chance * (1 - chance))[:, None]).T @ design + _PULL * np.eye(2)
        step = np.linalg.solve(curve, slope)
        theta = theta - step / max(1.0, float(np.abs(step).max()))
        theta[0] = np.clip(theta[0], 0.3, 3.0)
    return float(theta[0]), float(theta[1])


def calibrate(scored: ClipScores, truths: Sequence[Floats], prior: float) -> Calibration:
    """Fit every label so that its score is its probability at a prior.

    `prior` is the share of windows in which the label holds. Every clip counts the same, however long it is. A label
    that holds in every window, or in none, keeps its logit.
    """
    logits, truth = np.concatenate(scored.windows).astype(np.float64), np.concatenate(truths)
    per_clip = np.concatenate([np.full(len(part), 1.0 / len(part)) for part in scored.windows])
    fits = [_fit_label(logits[:, column], truth[:, column], per_clip, prior) for column in range(truth.shape[1])]
    scale, bias = zip(*fits, strict=True)
    return Calibration(np.array(scale), np.array(bias))


def _fit_label(logits: Floats, truth: Floats, per_clip: Floats, prior: float) -> tuple[float, float]:
    known = ~np.isnan(truth)
    holds, weights = truth[known] > 0, per_clip[known].copy()
    if holds.all() or not holds.any():
        return 1.0, 0.0
    weights[holds] *= prior / weights[holds].sum()
    weights[~holds] *= (1.0 - prior) / weights[~holds].sum()
    return fit_platt(logits[known], holds, weights)


def choose_thresholds(
    labels: Sequence[str], scores: Floats, truth: Floats, allowed: Sequence[float], bounds: tuple[float, float]
) -> dict[str, Mapping[str, float]]:
    """Choose `on` and `off` of each label from calibrated scores and their truth.

    Both arrays have the shape (windows, labels). `on` is reached by the label's share in `allowed` of the windows
    without it, within `bounds`; `off` is 0.6 of it.
    """
    chosen: dict[str, Mapping[str, float]] = {}
    for column, label in enumerate(labels):
        without = scores[truth[:, column] == 0, column]
        on = float(np.clip(np.quantile(without, 1.0 - allowed[column]), *bounds)) if len(without) else bounds[1]
        chosen[label] = {"on": round(on, 3), "off": round(0.6 * on, 3)}
    return chosen
