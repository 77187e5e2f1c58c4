"""Scenes of a second or two, with their onsets: claps of several people in many rooms, and all that is none."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from edge.claps.crop import BEFORE_SAMPLES, CLAP_FRONT_END, crop_features
from edge.claps.onsets import GROUP_SAMPLES, OnsetDetector
from training.sound.claps import RATE_HZ, at_speed, coloured, in_room, recorded, room_response, synthetic_clap

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.random import Generator
    from numpy.typing import NDArray

    from edge.claps.onsets import Onset

T = TypeVar("T")

_LEAD_S = 0.5
_TAIL_S = 0.5
NEAR_SAMPLES = round(0.012 * RATE_HZ)
"""How far an onset may be from where the clap was put."""
_TAKES = 0.25  # share of scenes that are recordings as they are: their rooms are real
_SYNTHETIC = 0.4  # share of claps that nobody clapped


@dataclasses.dataclass(frozen=True, slots=True)
class Material:
    """What scenes are made of."""

    claps: Mapping[str, Sequence[NDArray[np.float32]]]
    """By person: single claps that begin with their attack."""
    takes: Mapping[str, Sequence[tuple[NDArray[np.float32], NDArray[np.int64]]]]
    """By person: whole recordings, with the sample indices of their claps."""
    others: Mapping[str, Sequence[NDArray[np.float32]]]
    """By class: stretches of recordings without claps, of a second and more, with an onset."""
    backgrounds: Sequence[NDArray[np.float32]]
    """Stretches of street and rooms, of some seconds."""


def onsets_of(sound: NDArray[np.float32]) -> list[Onset]:
    """Return the onsets of a sound, shape (n,), as a device that hears it from the start finds them."""
    return OnsetDetector().push(np.concatenate((sound, np.zeros(2 * GROUP_SAMPLES, np.float32))))


def crops_of(sound: NDArray[np.float32]) -> tuple[list[int], list[NDArray[np.float32]]]:
    """Return the onsets of a sound that have a whole crop, as sample indices, and their features."""
    length = CLAP_FRONT_END.window_samples
    latest = sound.size + BEFORE_SAMPLES - length
    onsets = [onset for onset in onsets_of(sound) if BEFORE_SAMPLES <= onset.at <= latest]
    parts = [sound[o.at - BEFORE_SAMPLES :][:length] for o in onsets]
    return [o.at for o in onsets], [crop_features(part, o.level_db) for part, o in zip(parts, onsets, strict=True)]


def clap_scene(have: Material, rng: Generator) -> list[NDArray[np.float32]]:
    """Return the crops of one to four claps of one person in one room, shape (window_frames, n_mels) each."""
    if rng.random() < _TAKES:
        return _take_scene(have, rng)
    hands = _hands(have, rng)
    speed = 2.0 ** rng.uniform(-0.4, 0.4)
    gaps_s = rng.uniform(0.13, 0.75, rng.integers(0, 4))
    begins = np.round((_LEAD_S + np.concatenate(([0.0], np.cumsum(gaps_s)))) * RATE_HZ).astype(int)
    dry = np.zeros(begins[-1] + round(_TAIL_S * RATE_HZ), np.float32)
    for begin in begins:
        clap = at_speed(_pick(hands, rng), speed * rng.uniform(0.97, 1.03))
        clap = clap * 10.0 ** (rng.uniform(-8.0, 0.0) / 20.0) / np.abs(clap).max()
        dry[begin : begin + clap.size] += clap[: dry.size - begin]
    wet = in_room(dry, room_response(rng)) if rng.random() < 0.6 else dry  # noqa: PLR2004
    if rng.random() < 0.75:  # noqa: PLR2004
        wet = coloured(wet, 5.0, rng)
    if rng.random() < 0.75:  # noqa: PLR2004
        wet = _over_background(wet, begins, have, rng)
    return _claps_in(wet, begins, rng)


def _take_scene(have: Material, rng: Generator) -> list[NDArray[np.float32]]:
    sound, begins = _pick(have.takes[_pick(tuple(have.takes), rng)], rng)
    if rng.random() < 0.5:  # noqa: PLR2004
        speed = 2.0 ** rng.uniform(-0.3, 0.3)
        sound, begins = at_speed(sound, speed), np.round(begins / speed).astype(np.int64)
    if rng.random() < 0.5:  # noqa: PLR2004
        sound = coloured(sound, 4.0, rng)
    if rng.random() < 0.5:  # noqa: PLR2004
        sound = _over_background(sound, begins, have, rng)
    return _claps_in(sound, begins, rng)


def _claps_in(sound: NDArray[np.float32], begins: NDArray[np.int64], rng: Generator) -> list[NDArray[np.float32]]:
    """Return the crops of the claps that begin at `begins`, most often through another microphone."""
    if rng.random() < 0.5:  # noqa: PLR2004
        sound = recorded(sound, rng.uniform(0.0, 25.0) if rng.random() < 0.4 else -1.0, rng)  # noqa: PLR2004
    onsets, crops = crops_of(sound)
    return [crop for at, crop in zip(onsets, crops, strict=True) if np.abs(begins - at).min() <= NEAR_SAMPLES]


def other_scene(have: Material, rng: Generator) -> list[NDArray[np.float32]]:
    """Return the crops of all onsets in a stretch without claps, changed as claps are."""
    names = tuple(have.others)
    weights = np.sqrt([len(have.others[name]) for name in names])
    sound = _pick(have.others[rng.choice(names, p=weights / weights.sum())], rng)
    if rng.random() < 0.6:  # noqa: PLR2004
        sound = at_speed(sound, 2.0 ** rng.uniform(-0.4, 0.4))
    if rng.random() < 0.3:  # noqa: PLR2004
        sound = in_room(sound, room_response(rng))
    if rng.random() < 0.6:  # noqa: PLR2004
        sound = coloured(sound, 4.0, rng)
    if rng.random() < 0.4:  # noqa: PLR2004
        sound = recorded(sound, rng.uniform(0.0, 25.0) if rng.random() < 0.4 else -1.0, rng)  # noqa: PLR2004
    return crops_of(sound)[1]


def _hands(have: Material, rng: Generator) -> Sequence[NDArray[np.float32]]:
    if rng.random() < _SYNTHETIC:
        return [synthetic_clap(rng)]
    return have.claps[_pick(tuple(have.claps), rng)]


def _pick(items: Sequence[T], rng: Generator) -> T:
    return items[int(rng.integers(len(items)))]


def _over_background(
    sound: NDArray[np.float32], begins: NDArray[np.int64], have: Material, rng: Generator
) -> NDArray[np.float32]:
    """Add a background so that the claps' first 100 ms are 3 to 30 dB above it."""
    background = _pick(have.backgrounds, rng)
    offset = rng.integers(max(1, background.size - sound.size))
    under = np.resize(background[offset : offset + sound.size], sound.size)
    clap = np.concatenate([sound[begin : begin + RATE_HZ // 10] for begin in begins])
    ratio = np.sqrt((np.mean(clap**2) + 1e-12) / (np.mean(under**2) + 1e-12))
    return np.asarray(sound + under * ratio * 10.0 ** (-rng.uniform(3.0, 30.0) / 20.0), np.float32)
