"""Random windows of the clips of one part."""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import torch

from edge.errors import DataError
from training.augment.batch import Batch
from training.augment.power import draw_uniform
from training.data.manifest import Clip
from training.data.onsets import find_loud_frames, find_onsets
from training.data.targets import build_label_matrix

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Generator, Tensor

    from edge.frontend.params import FrontEndParams
    from training.config import Config, DataConfig
    from training.data.features import FeatureStore
    from training.data.teacher import LogitTeacher, Teacher
    from training.data.varied import Frames, SyntheticSounds

_HEARD_FRAMES = 4
"""Frames of a short sound that a window must hold: 60 ms."""
_RECENT_FRAMES = 19
_EARLY_FRAMES = 3
"""Frames before an onset that stay unsilenced, besides those by which a change of tempo may move it."""
_LASTING_FRAMES = 32
"""Frames of a lasting sound that a window must hold: half a second."""
_BEYOND_SHARE = 0.2
"""Share of windows of lasting sounds that may reach beyond their clip."""


def draw_weights(clips: Sequence[Clip], class_weights: dict[str, float]) -> Tensor:
    """Return the probability of each clip, shape (clips,), sum 1.

    Classes are drawn by `class_weights` (1 by default) independently of their number of clips; corpora of a class by
    the square root of their clips, recordings of a corpus by the square root of their parts.
    """
    by_corpus = Counter((clip.label, clip.corpus) for clip in clips)
    by_group = Counter((clip.label, clip.corpus, clip.group) for clip in clips)
    raw = np.array([by_group[clip.label, clip.corpus, clip.group] ** -0.5 for clip in clips])
    for key in by_corpus:
        mine = np.array([(clip.label, clip.corpus) == key for clip in clips])
        raw[mine] *= by_corpus[key] ** 0.5 / raw[mine].sum()
    for label in {clip.label for clip in clips}:
        mine = np.array([clip.label == label for clip in clips])
        raw[mine] *= class_weights.get(label, 1.0) / raw[mine].sum()
    return torch.from_numpy(raw / raw.sum())


@dataclasses.dataclass(frozen=True, slots=True)
class Anchors:
    """Frames of each clip around which windows may be placed."""

    frames: Tensor
    offsets: Tensor

    def draw(self, rows: Tensor, generator: Generator) -> Tensor:
        """Draw one anchor frame of each clip in `rows`."""
        first, last = self.offsets[rows], self.offsets[rows + 1]
        steps = (torch.rand(len(rows), generator=generator, dtype=torch.float64) * (last - first)).long()
        return self.frames[first + steps]


def _join_anchors(found: list[NDArray[np.int64]]) -> Anchors:
    counts = np.cumsum([0] + [len(frames) for frames in found], dtype=np.int64)
    return Anchors(torch.from_numpy(np.concatenate(found)), torch.from_numpy(counts))


@dataclasses.dataclass(frozen=True, slots=True)
class Pool:
    """Features of some clips, in one or more versions, and of synthetic sounds."""

    frames: Tensor
    """All versions, concatenated, shape (frames, n_mels), 16-bit floats."""
    starts: Tensor
    """First row of each clip in each version, shape (versions, clips)."""
    clips: tuple[Clip, ...]
    n_recorded: int
    """Clips of this index and above are synthetic: no teacher has scored them."""
    params: FrontEndParams
    lengths: Tensor
    """Frames of each clip, shape (clips,)."""

    def get(self, place: int) -> NDArray[np.float32]:
        """Return the features of a clip as it was recorded, shape (frames, n_mels).

        `place` is its index in `clips`.
        """
        first = int(self.starts[0, place])
        return np.asarray(self.frames[first : first + int(self.lengths[place])].float().numpy())


def make_pool(
    store: FeatureStore, clips: Sequence[Clip], copies: Sequence[Frames] = (), made: Sequence[SyntheticSounds] = ()
) -> Pool:
    """Concatenate the features of clips, their copies and synthetic sounds.

    Every copy must hold the same clips as `store`, frame by frame; raises `DataError` otherwise.
    """
    n_heard, rows = len(store.offsets) - 1, len(store.frames)
    if other := [len(copy) for copy in copies if len(copy) != rows]:
        msg = f"a copy has {other[0]} frames, but the recordings have {rows}: they have changed since it was made"
        raise DataError(msg, remedy="remove the files copy-*.npy from the folder of --cache")
    parts = [np.asarray(store.frames), *(np.asarray(copy) for copy in copies)]
    ids = np.array([clip.index for clip in clips])
    starts = store.offsets[ids] + rows * np.arange(len(parts))[:, None]
    lengths, members = store.offsets[ids + 1] - store.offsets[ids], list(clips)
    at = rows * len(parts)
    for sounds in made:
        for mel in sounds.features:
            parts.append(mel)
            members.append(_make_clip(n_heard + len(members), sounds.label))
            starts = np.concatenate((starts, np.full((len(starts), 1), at)), axis=1)
            lengths = np.append(lengths, len(mel))
            at += len(mel)
    # without copies the file stays mapped: recordings of days need no memory
    whole = torch.from_numpy(parts[0] if len(parts) == 1 else np.concatenate(parts))
    return Pool(whole, torch.from_numpy(starts), tuple(members), n_heard, store.params, torch.from_numpy(lengths))


def _make_clip(index: int, label: str) -> Clip:
    name = f"made {index}"
    return Clip(index, name, label, corpus="made", group=name, uploader="", licence="", name=name, duration_s=0.0)


class CropSampler:
    """A sampler of windows with their labels."""

    def __init__(
        self,
        pool: Pool,
        labels: Sequence[str],
        teacher: Teacher | None,
        logits: LogitTeacher | None,
        config: Config,
        class_weights: dict[str, float],
    ) -> None:
        """Find each clip's onsets and loud frames."""
        self._config, self._params, self._pool = config, pool.params, pool
        self._teacher, self._logits = teacher, logits
        self._ids = torch.tensor([clip.index for clip in pool.clips])
        self._holds = torch.from_numpy(build_label_matrix(pool.clips, labels)).float()
        features = [pool.get(place) for place in range(len(pool.clips))]
        self._loud = _join_anchors([find_loud_frames(mel, pool.params) for mel in features])
        self._onsets = _join_anchors([find_onsets(mel, pool.params) for mel in features])
        self._onset_chance = _onset_chance(pool.clips, config.data)
        self._weights = draw_weights(pool.clips, class_weights)
        self._best = self._get_highest() if teacher else None

    def _get_highest(self) -> Tensor:
        """Return the teacher's highest probability of each label over each clip.

        It is 1 for the label of a synthetic sound.
        """
        best = self._holds.clone()
        for place, clip in enumerate(self._pool.clips):
            if self._teacher and clip.index < self._pool.n_recorded:
                best[place] = self._teacher.get_highest(clip.index)
        return best

    def draw(self, size: int, generator: Generator) -> Batch:
        """Draw `size` windows, with replacement."""
        rows = torch.multinomial(self._weights, size, replacement=True, generator=generator)
        begin, onset = self._choose_begins(rows, generator)
        features = self._cut(rows, begin, generator)
        if self._config.data.p_sudden:
            features = self._silence_before_onsets(features, onset, generator)
        target = self._holds[rows]
        centre_s = (begin + self._params.window_frames / 2) / self._params.frames_per_s
        ids = self._ids[rows]
        batch = Batch(features, target, torch.ones_like(target), target)
        if self._logits is not None:
            logits, known = self._logits.look_up(ids, centre_s)
            batch = dataclasses.replace(batch, logits=logits, logits_weight=known.float())
        if self._teacher is None or self._best is None:
            return batch
        known = ids < self._pool.n_recorded
        soft = self._teacher.look_up(ids.clamp_max(self._pool.n_recorded - 1), centre_s)
        soft = torch.where(known[:, None], soft, target)
        # the label outweighs the teacher for its own class: a teacher misses short claps in a window of 2 s
        soft = torch.where(target > 0, (self._best[rows] + 1.0) / 2.0, soft)
        sure = ((target > 0) | (soft <= self._config.train.unsure_above)).float()
        return dataclasses.replace(batch, sure=sure, soft=soft)

    def _silence_before_onsets(self, features: Tensor, onset: Tensor, generator: Generator) -> Tensor:
        """Silence the frames before some of the onsets, shape (batch,).

        A negative value marks a window without an onset.
        """
        window, augment = self._params.window_frames, self._config.augment
        which = (torch.rand(len(onset), generator=generator) < self._config.data.p_sudden) & (onset >= 0)
        moved = augment.speed / (1.0 - augment.speed) * (window - 1 - onset)
        silent = torch.arange(window) < (onset - moved - _EARLY_FRAMES)[:, None]
        return features.masked_fill((silent & which[:, None])[:, :, None], self._params.silence)

    def _choose_begins(self, rows: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
        """Choose the clip frame under each window's first frame; return the onsets too.

        A negative frame means that the window begins before the clip. An onset of -1 means that a window has no onset.
        """
        size, window = len(rows), self._params.window_frames
        at = draw_uniform((size,), 0.0, window - _HEARD_FRAMES, generator)
        late = draw_uniform((size,), window - _RECENT_FRAMES - _HEARD_FRAMES, window - _HEARD_FRAMES, generator)
        at = torch.where(torch.rand(size, generator=generator) < self._config.data.recent, late, at)
        short = self._onsets.draw(rows, generator) - at.long()
        anchor = self._loud.draw(rows, generator)
        lasting = anchor - draw_uniform((size,), 0.0, float(window), generator).long()
        length = self._pool.lengths[rows]
        beyond = torch.rand(size, generator=generator) < _BEYOND_SHARE
        inside = lasting.minimum(length - window).clamp_min(0)
        # a clip shorter than the window lies anywhere in it
        anywhere = -(torch.rand(size, generator=generator) * (window - length + 1).clamp_min(0)).long()
        inside = torch.where(length < window, anywhere, inside)
        overlap = length.clamp_max(_LASTING_FRAMES)
        outside = lasting.maximum(overlap - window).minimum(length - overlap)
        lasting = torch.where(beyond, outside, inside)
        around_onset = torch.rand(size, generator=generator) < self._onset_chance[rows]
        return torch.where(around_onset, short, lasting), torch.where(around_onset, at.long(), -1)

    def _cut(self, rows: Tensor, begin: Tensor, generator: Generator) -> Tensor:
        """Cut the windows, with random tempo and pitch.

        Frames outside the clip are silent.
        """
        size, window, mels = len(rows), self._params.window_frames, self._params.n_mels
        augment = self._config.augment
        speed = 1.0 + draw_uniform((size, 1), -augment.speed, augment.speed, generator)
        # the last frame is fixed: a short sound near the end keeps its distance to it
        back = ((window - 1 - torch.arange(window)) * speed).round().long()
        frame = begin[:, None] + window - 1 - back
        length = self._pool.lengths[rows, None]
        inside = (frame >= 0) & (frame < length)
        version = torch.randint(0, len(self._pool.starts), (size,), generator=generator)
        start = self._pool.starts[version, rows][:, None]
        taken = self._pool.frames[start + frame.clamp_min(0).minimum(length - 1)].float()
        shift = draw_uniform((size, 1), -augment.mel_shift, augment.mel_shift, generator)
        position = (torch.arange(mels) + shift).clamp(0, mels - 1)
        lower = position.long()
        part = (position - lower)[:, None, :].expand(size, window, mels)
        below = taken.gather(2, lower[:, None, :].expand(size, window, mels))
        above = taken.gather(2, (lower + 1).clamp_max(mels - 1)[:, None, :].expand(size, window, mels))
        return torch.lerp(below, above, part).masked_fill(~inside[:, :, None], self._params.silence)


def _onset_chance(clips: Sequence[Clip], config: DataConfig) -> Tensor:
    return torch.tensor([config.impulsive.get(clip.label, 0.0) for clip in clips])
