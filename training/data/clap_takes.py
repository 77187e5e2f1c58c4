"""Sounds for clap scenes, cut from the recordings of a manifest."""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from edge.errors import ConfigError, DataError
from training.data.features import load_audio
from training.data.split import group_families
from training.sound.clap_scenes import SceneSounds, detect_onsets
from training.sound.claps import RATE_HZ

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from numpy.random import Generator
    from numpy.typing import NDArray

    from training.config import ClapsConfig, Config
    from training.data.manifest import Clip

    Take = tuple[NDArray[np.float32], NDArray[np.int64]]

CLAP = "clap"
FOLDS = 5
_EVEN, _ALL = "even", "all"
_CUT_OUT_S = 0.5  # a shorter recording is a single clap without its room, and begins with it
_AROUND = round(0.25 * RATE_HZ)
_LEVELS_DB = 25.0  # an onset further below the loudest one of its take is not a clap
_STEEP = 0.3  # share of the steepest step at which a clap begins
_CLAP_SAMPLES, _BEFORE, _FADE = round(0.15 * RATE_HZ), 16, round(0.03 * RATE_HZ)
_STRETCH, _STRETCH_BEFORE = 2 * RATE_HZ, round(0.75 * RATE_HZ)
_SHORT, _SILENCE = round(0.75 * RATE_HZ), round(0.375 * RATE_HZ)
_OF_A_GROUP, _OF_A_KIND = 25, 400
_BACKGROUNDS, _BACKGROUND_S, _FAINT = 800, (2, 4), 0.01


def assign_folds(clips: Iterable[Clip]) -> dict[int, int]:
    """Return the fold of each clip by its index.

    All clips of a family are in one fold, which does not depend on other clips.
    """
    folds = {}
    for family in group_families(clips):
        name = min(clip.group for clip in family)
        fold = int(hashlib.sha256(name.encode()).hexdigest(), 16) % FOLDS
        folds.update({clip.index: fold for clip in family})
    return folds


def select_takes(clips: Iterable[Clip], config: ClapsConfig) -> dict[str, list[Clip]]:
    """Select the clips of claps to train on, by group.

    Raises `ConfigError` for a word other than `even` and `all`.
    """
    if wrong := sorted(set(config.people.values()) - {_EVEN, _ALL}):
        msg = f"{wrong[0]!r} is neither {_EVEN!r} nor {_ALL!r}"
        raise ConfigError(msg, where="claps.people")
    takes: defaultdict[str, list[Clip]] = defaultdict(list)
    for clip in clips:
        which = config.people.get(clip.group)
        if clip.label == CLAP and which and (which == _ALL or parse_number(clip) % 2 == 0):
            takes[clip.group].append(clip)
    return dict(takes)


def parse_number(clip: Clip) -> int:
    """Return the first number in a clip's name; raise `DataError` without one."""
    found = re.search(r"\d+", clip.name)
    if found is None:
        msg = f"{clip.name!r} has no number, so it is neither even nor odd"
        raise DataError(msg, where=clip.file, remedy=f"take all of {clip.group!r}")
    return int(found[0])


def select_without_claps(clips: Iterable[Clip], config: Config) -> list[Clip]:
    """Select the clips that are known to hold no clap, except excluded ones."""
    left_out = set(config.data.exclude_names)
    return [clip for clip in clips if clip.label not in ("", CLAP) and clip.name not in left_out]


def make_take(sound: NDArray[np.float32], seed: int) -> Take:
    """Pad a recording of claps, and find the sample indices of its claps.

    A single clap that was cut out of its room is padded with noise, 6 dB below its end, from a generator of seed
    `seed`.
    """
    if sound.size < _CUT_OUT_S * RATE_HZ:
        step = np.abs(np.diff(sound, prepend=np.float32(0.0)))
        begin = int(np.argmax(step > step.max() * _STEEP))
        # An onset is found by the level of the difference; the room still rings at the cut, so half of it is used.
        level = max(1e-5, 0.5 * float(np.median(np.abs(np.diff(sound[-RATE_HZ // 20 :])))))
        hiss = np.random.default_rng(seed).standard_normal((2, _AROUND)).astype(np.float32) * np.float32(level)
        return np.concatenate((hiss[0], sound, hiss[1])), np.array([begin + _AROUND])
    onsets = detect_onsets(sound)
    loudest_db = max((onset.level_db for onset in onsets), default=0.0)
    begins = [onset.at for onset in onsets if onset.level_db > loudest_db - _LEVELS_DB]
    return np.concatenate((sound, sound[: -_AROUND - 1 : -1])), np.array(begins, np.int64)


def cut_claps(take: Take) -> list[NDArray[np.float32]]:
    """Cut the claps out of a take.

    Each reaches from just before its attack to where it has faded.
    """
    sound, begins = take
    claps = []
    for begin in begins:
        clap = sound[max(0, begin - _BEFORE) :][:_CLAP_SAMPLES].copy()
        fade = min(clap.size, _FADE)
        clap[clap.size - fade :] *= np.linspace(1.0, 0.0, fade, dtype=np.float32) ** 2
        claps.append(clap)
    return claps


def gather_sounds(data: Path, clips: Sequence[Clip], config: Config) -> SceneSounds:
    """Read the recordings to train on.

    Raises `DataError` if there are no claps, no others or no backgrounds.
    """
    takes = {
        group: [make_take(load_audio(data / clip.file, RATE_HZ), clip.index) for clip in members]
        for group, members in select_takes(clips, config.claps).items()
    }
    takes = {group: [take for take in members if take[1].size] for group, members in takes.items()}
    claps = {group: [clap for take in members for clap in cut_claps(take)] for group, members in takes.items()}
    folds = assign_folds(clips)
    usable = [clip for clip in select_without_claps(clips, config) if folds[clip.index] != config.claps.fold]
    others, backgrounds = _cut_stretches(data, usable, config)
    for what, found in (
        ("claps of claps.people", claps),
        ("onsets without claps", others),
        ("backgrounds", backgrounds),
    ):
        if not found:
            msg = f"there is no {what} to train on"
            raise DataError(msg, where=data)
    return SceneSounds(claps, takes, others, backgrounds)


def _cut_stretches(
    data: Path, clips: Sequence[Clip], config: Config
) -> tuple[dict[str, list[NDArray[np.float32]]], list[NDArray[np.float32]]]:
    """Return stretches around an onset by kind, and backgrounds.

    Only recordings that are needed are read.
    """
    rng = np.random.default_rng([config.train.seed, 0])
    others: defaultdict[str, list[NDArray[np.float32]]] = defaultdict(list)
    backgrounds: list[NDArray[np.float32]] = []
    of_group: Counter[tuple[str, str]] = Counter()
    least, most = (seconds * RATE_HZ for seconds in _BACKGROUND_S)
    for place in tqdm(rng.permutation(len(clips)), "recordings", unit="clip", disable=None):
        clip = clips[place]
        kind = _kind(clip, config.claps.finer)
        wanted = of_group[kind, clip.group] < _OF_A_GROUP and len(others[kind]) < _OF_A_KIND
        behind = clip.label in config.claps.background and len(backgrounds) < _BACKGROUNDS
        if not wanted and not behind:
            continue
        sound = load_audio(data / clip.file, RATE_HZ)
        if behind and sound.size >= least and np.abs(sound).max() > _FAINT:
            backgrounds.append(sound[:most].copy())
        if wanted and (stretch := _cut_stretch(sound, rng)) is not None:
            others[kind].append(stretch)
            of_group[kind, clip.group] += 1
    return {kind: found for kind, found in others.items() if found}, backgrounds


def _kind(clip: Clip, finer: Sequence[str]) -> str:
    """Return a clip's class, with its fine label for classes in `finer`."""
    return f"{clip.label}:{clip.fine}" if clip.label in finer else clip.label


def _cut_stretch(sound: NDArray[np.float32], rng: Generator) -> NDArray[np.float32] | None:
    """Cut two seconds around an onset of a recording; None without an onset."""
    onsets = detect_onsets(sound)
    if not onsets:
        return None
    begin = max(0, onsets[rng.integers(len(onsets))].at - _STRETCH_BEFORE)
    stretch = sound[begin : begin + _STRETCH].copy()
    return np.pad(stretch, _SILENCE) if stretch.size < _SHORT else stretch
