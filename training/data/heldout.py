"""Clips not used for training with their onsets, for latency measurements."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from training.data.onsets import find_loud_frames, find_onsets

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from edge.frontend.params import FrontEndParams
    from training.data.features import FeatureStore
    from training.data.manifest import Clip


def select_clips(
    clips: Sequence[Clip], labels: Sequence[str], store: FeatureStore, impulsive: Collection[str], most: int
) -> dict[str, list[dict[str, str | int]]]:
    """Select up to `most` clips of each label, as `file` and `onset_sample`.

    Each recording gives one clip before any gives a second. The onset is the first new sample in the frame of the first
    steep rise, for a label in `impulsive`, or in the first loud frame, for others: at most one hop before the sound
    itself.
    """
    chosen: dict[str, list[dict[str, str | int]]] = {}
    for label in labels:
        find = find_onsets if label in impulsive else find_loud_frames
        chosen[label] = [
            {
                "file": clip.file,
                "onset_sample": _first_new_sample(int(find(store.get(clip), store.params)[0]), store.params),
            }
            for clip in _alternate_groups([clip for clip in clips if clip.label == label])[:most]
        ]
    return chosen


def _first_new_sample(frame: int, params: FrontEndParams) -> int:
    return 0 if frame == 0 else (frame - 1) * params.hop_samples + params.n_fft


def _alternate_groups(clips: Sequence[Clip]) -> list[Clip]:
    """Order clips so that the first of every group precede all second ones."""
    seen: defaultdict[str, int] = defaultdict(int)
    ranked = []
    for clip in clips:
        ranked.append((seen[clip.group], clip))
        seen[clip.group] += 1
    return [clip for _, clip in sorted(ranked, key=lambda pair: pair[0])]
