"""A trained network as the teacher of another one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from tqdm import tqdm

from training.data.teacher import Teacher
from training.measure.scoring import compute_clip_logits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from training.checkpoint import Checkpoint
    from training.data.features import FeatureStore
    from training.data.manifest import Clip

_END_S, _EVERY_S = 2.0, 1.0
"""A teacher has scores on windows of 2 s, one per second."""


def make_teacher(checkpoint: Checkpoint, clips: Sequence[Clip], store: FeatureStore) -> Teacher:
    """Score every clip by a network, as soft labels (Hinton, Vinyals & Dean 2015).

    Most of these clips were in its training part, so it is more certain of them than of others. The score of a window
    is the decision at its end.
    """
    model, params = checkpoint.model.eval(), store.params
    decisions_per_s = params.frames_per_s / params.decision_frames
    first = max(0, round(_END_S * decisions_per_s) - params.window_frames // params.decision_frames)
    every, rows, counts = round(_EVERY_S * decisions_per_s), [], []
    for clip in tqdm(clips, "teacher", unit="clip", disable=None):
        logits = compute_clip_logits(model, store.get(clip), params, params.decision_frames)
        selected = logits[first::every] if len(logits) > first else logits[-1:]
        rows.append(np.round(255.0 / (1.0 + np.exp(-selected.astype(np.float64)))).astype(np.uint8))
        counts.append(len(selected))
    offsets = np.cumsum([0, *counts], dtype=np.int64)
    return Teacher(torch.from_numpy(np.concatenate(rows)), torch.from_numpy(offsets))
