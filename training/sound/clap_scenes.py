"""Scenes of a second or two, with claps or other onsets, and their crops."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from edge.claps.crop import BEFORE_SAMPLES, CLAP_FRONT_END, crop_features
from edge.claps.onsets import GROUP_SAMPLES, OnsetDetector
from training.sound.claps import (
    RATE_HZ,
    add_room,
    change_speed,
    colour,
    make_clap,
    make_room_response,
    simulate_recorder,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.random import Generator
    from numpy.typing import NDArray

    from edge.claps.onsets import Onset

T = TypeVar("T")

_LEAD_S = 0.5
_TAIL_S = 0.5
NEAR_SAMPLES = round(0.012 * RATE_HZ)
"""Largest distance of an onset from the position of its clap."""
_TAKES = 0.25  # share of scenes that are unchanged recordings, with real rooms
_SYNTHETIC = 0.4  # share of synthetic claps


@dataclasses.dataclass(frozen=True, slots=True)
class SceneSounds:
    """Sounds that scenes are made of."""

    claps: Mapping[str, Sequence[NDArray[np.float32]]]
    """By person: single claps that begin with their attack."""
    takes: Mapping[str, Sequence[tuple[NDArray[np.float32], NDArray[np.int64]]]]
    """By person: whole recordings, with the sample indices of their claps."""
    others: Mapping[str, Sequence[NDArray[np.float32]]]
    """By class: stretches of recordings without claps, of a second and more, with an onset."""
    backgrounds: Sequence[NDArray[np.float32]]
    """Stretches of street and rooms, of some seconds."""


def detect_onsets(sound: NDArray[np.float32]) -> list[Onset]:
    """Detect the onsets of a sound, shape (n,), as a device does."""
    return OnsetDetector().push(np.concatenate((sound, np.zeros(2 * GROUP_SAMPLES, np.float32))))


def cut_crops(sound: NDArray[np.float32]) -> tuple[list[int], list[NDArray[np.float32]]]:
    """Return the onsets of a sound with a whole crop, and their features.

    Onsets are sample indices.
    """
    length = CLAP_FRONT_END.window_samples
    latest = sound.size + BEFORE_SAMPLES - length
    onsets = [onset for onset in detect_onsets(sound) if BEFORE_SAMPLES <= onset.at <= latest]
    parts = [sound[o.at - BEFORE_SAMPLES :][:length] for o in onsets]
    return [o.at for o in onsets], [crop_features(part, o.level_db) for part, o in zip(parts, onsets, strict=True)]


def make_clap_scene(sounds: SceneSounds, rng: Generator) -> list[NDArray[np.float32]]:
    """Return the crops of one to four claps of one person in one room.

    Each has the shape (window_frames, n_mels).
    """
    if rng.random() < _TAKES:
        return _make_take_scene(sounds, rng)
    hands = _choose_hands(sounds, rng)
    speed = 2.0 ** rng.uniform(-0.4, 0.4)
    gaps_s = rng.uniform(0.13, 0.75, rng.integers(0, 4))
    begins = np.round((_LEAD_S + np.concatenate(([0.0], np.cumsum(gaps_s)))) * RATE_HZ).astype(int)
    dry = np.zeros(begins[-1] + round(_TAIL_S * RATE_HZ), np.float32)
    for begin in begins:
        clap = change_speed(_pick(hands, rng), speed * rng.uniform(0.97, 1.03))
        clap = clap * 10.0 ** (rng.uniform(-8.0, 0.0) / 20.0) / np.abs(clap).max()
        dry[begin : begin + clap.size] += clap[: dry.size - begin]
    wet = add_room(dry, make_room_response(rng)) if rng.random() < 0.6 else dry  # noqa: PLR2004
    if rng.random() < 0.75:  # noqa: PLR2004
        wet = colour(wet, 5.0, rng)
    if rng.random() < 0.75:  # noqa: PLR2004
        wet = _add_background(wet, begins, sounds, rng)
    return _cut_clap_crops(wet, begins, rng)


def _make_take_scene(sounds: SceneSounds, rng: Generator) -> list[NDArray[np.float32]]:
    sound, begins = _pick(sounds.takes[_pick(tuple(sounds.takes), rng)], rng)
    if rng.random() < 0.5:  # noqa: PLR2004
        speed = 2.0 ** rng.uniform(-0.3, 0.3)
        sound, begins = change_speed(sound, speed), np.round(begins / speed).astype(np.int64)
    if rng.random() < 0.5:  # noqa: PLR2004
        sound = colour(sound, 4.0, rng)
    if rng.random() < 0.5:  # noqa: PLR2004
        sound = _add_background(sound, begins, sounds, rng)
    return _cut_clap_crops(sound, begins, rng)


def _cut_clap_crops(sound: NDArray[np.float32], begins: NDArray[np.int64], rng: Generator) -> list[NDArray[np.float32]]:
    """Return the crops of the claps that begin at `begins`.

    Half of the time another recorder is simulated.
    """
    if rng.random() < 0.5:  # noqa: PLR2004
        sound = simulate_recorder(sound, rng.uniform(0.0, 25.0) if rng.random() < 0.4 else -1.0, rng)  # noqa: PLR2004
    onsets, crops = cut_crops(sound)
    return [crop for at, crop in zip(onsets, crops, strict=True) if np.abs(begins - at).min() <= NEAR_SAMPLES]


def make_other_scene(sounds: SceneSounds, rng: Generator) -> list[NDArray[np.float32]]:
    """Return the crops of all onsets in a stretch without claps, varied like claps."""
    names = tuple(sounds.others)
    weights = np.sqrt([len(sounds.others[name]) for name in names])
    sound = _pick(sounds.others[rng.choice(names, p=weights / weights.sum())], rng)
    if rng.random() < 0.6:  # noqa: PLR2004
        sound = change_speed(sound, 2.0 ** rng.uniform(-0.4, 0.4))
    if rng.random() < 0.3:  # noqa: PLR2004
        sound = add_room(sound, make_room_response(rng))
    if rng.random() < 0.6:  # noqa: PLR2004
        sound = colour(sound, 4.0, rng)
    if rng.random() < 0.4:  # noqa: PLR2004
        sound = simulate_recorder(sound, rng.uniform(0.0, 25.0) if rng.random() < 0.4 else -1.0, rng)  # noqa: PLR2004
    return cut_crops(sound)[1]


def _choose_hands(sounds: SceneSounds, rng: Generator) -> Sequence[NDArray[np.float32]]:
    if rng.random() < _SYNTHETIC:
        return [make_clap(rng)]
    return sounds.claps[_pick(tuple(sounds.claps), rng)]


def _pick(items: Sequence[T], rng: Generator) -> T:
    return items[int(rng.integers(len(items)))]


def _add_background(
    sound: NDArray[np.float32], begins: NDArray[np.int64], sounds: SceneSounds, rng: Generator
) -> NDArray[np.float32]:
    """Add a background 3 to 30 dB below the claps' first 100 ms."""
    background = _pick(sounds.backgrounds, rng)
    offset = rng.integers(max(1, background.size - sound.size))
    under = np.resize(background[offset : offset + sound.size], sound.size)
    clap = np.concatenate([sound[begin : begin + RATE_HZ // 10] for begin in begins])
    ratio = np.sqrt((np.mean(clap**2) + 1e-12) / (np.mean(under**2) + 1e-12))
    return np.asarray(sound + under * ratio * 10.0 ** (-rng.uniform(3.0, 30.0) / 20.0), np.float32)
