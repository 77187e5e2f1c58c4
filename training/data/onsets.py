"""Onsets of short sounds in a clip, and its loud frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge.frontend.params import FrontEndParams

_BEFORE_FRAMES = 4
_AFTER_FRAMES = 3
_APART_FRAMES = 12
_SMALLEST_RISE_DB = 6.0
_BELOW_LOUDEST_DB = 12.0
_FLOOR_DB = -90.0


def compute_level_db(mel: NDArray[np.float32], params: FrontEndParams) -> NDArray[np.float64]:
    """Compute the level of each frame, (frames,), of features (frames, n_mels)."""
    power = np.exp(mel.astype(np.float64) / params.scale - params.offset) - params.log_floor
    return np.asarray(10 * np.log10(np.maximum(power.sum(axis=1), 10 ** (_FLOOR_DB / 10))))


def find_onsets(mel: NDArray[np.float32], params: FrontEndParams) -> NDArray[np.int64]:
    """Return the onset frames of the loudest short sounds of a clip.

    An onset is the steepest rise in its neighbourhood, at least half as steep as the steepest of all, and leads to
    within 12 dB of the loudest frame. A clip without any counts as beginning at its loudest frame, so the result is
    never empty for a clip with frames.
    """
    level = compute_level_db(mel, params)
    padded = np.concatenate((np.full(_BEFORE_FRAMES, _FLOOR_DB + 20), level, np.full(_AFTER_FRAMES, _FLOOR_DB)))
    before = np.lib.stride_tricks.sliding_window_view(padded[: len(level) + _BEFORE_FRAMES - 1], _BEFORE_FRAMES)
    after = np.lib.stride_tricks.sliding_window_view(padded[_BEFORE_FRAMES:], _AFTER_FRAMES + 1).max(axis=1)
    rise = after - before.mean(axis=1)
    step = np.diff(padded[_BEFORE_FRAMES - 1 : len(level) + _BEFORE_FRAMES])
    loud = after > level.max() - _BELOW_LOUDEST_DB
    score = np.where(loud & (rise >= max(_SMALLEST_RISE_DB, rise[loud].max(initial=0.0) / 2)), step, 0.0)
    found: list[int] = []
    for frame in np.argsort(-score, kind="stable"):
        if score[frame] <= 0:
            break
        if all(abs(frame - other) >= _APART_FRAMES for other in found):
            found.append(int(frame))
    return np.array(sorted(found) or [int(level.argmax())], np.int64)


def find_loud_frames(mel: NDArray[np.float32], params: FrontEndParams) -> NDArray[np.int64]:
    """Return the frames within 15 dB of the 95th percentile of the level."""
    level = compute_level_db(mel, params)
    return np.flatnonzero(level >= np.percentile(level, 95) - 15.0)
