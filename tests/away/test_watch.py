"""Sounds above the background: doors, voices and silence, frame by frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from edge.away.watch import IGNORED, AwayWatch
from edge.errors import ConfigError
from edge.frontend.params import FrontEndParams
from edge.settings.away import Away
from edge.types import Scores

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edge.types import Pattern

PARAMS = FrontEndParams()
LABELS = ("background", "dog", "speech")
PER_S = 64
QUIET_S = 40.0
START = round(QUIET_S * PER_S)


def noise(seconds: float = QUIET_S, level_db: float = -50.0, spread_db: float = 1.0, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(level_db, spread_db, round(seconds * PER_S))


def steady(level_db: float, seconds: float) -> np.ndarray:
    return np.full(round(seconds * PER_S), level_db)


def voice(level_db: float, seconds: float) -> np.ndarray:
    """Return syllables: a fifth of a second each, with a sixth between them."""
    frames = np.arange(round(seconds * PER_S))
    return np.where(frames % 23 < 13, level_db, -50.0)


def run(
    levels: np.ndarray,
    *,
    dog: Mapping[float, float] | None = None,
    chunk: int = 8,
    watch: AwayWatch | None = None,
    first: int = 0,
    **settings: object,
) -> list[Pattern]:
    """Return the reports for `levels` from frame `first` on; `dog` has the label's score from each second on."""
    watch = watch or AwayWatch(Away.model_validate(settings), PARAMS, LABELS)
    found: list[Pattern] = []
    decided = 0
    for begin in range(0, levels.size, chunk):
        watch.push(first + begin, levels[begin : begin + chunk])
        while decided + 8 <= min(begin + chunk, levels.size):
            decided += 8
            end = (first + decided - 1) * PARAMS.hop_samples + PARAMS.n_fft
            score = max(
                ((at, value) for at, value in (dog or {0.0: 0.0}).items() if at * PER_S <= decided), default=(0, 0)
            )
            row = np.asarray([0.2, score[1], 0.3], np.float32)
            watch.decide(Scores(row, end, PARAMS.window_samples, gap=False))
        found += watch.take()
    return found


def scene(*sounds: np.ndarray, rest_s: float = 10.0) -> np.ndarray:
    parts = [noise()]
    for index, sound in enumerate(sounds, 1):
        parts += [sound, noise(rest_s, seed=index)]
    return np.concatenate(parts)


@pytest.mark.parametrize(
    "sound",
    [steady(-20, 0.15), steady(-35, 1.0), voice(-25, 4.0), np.linspace(-20, -50, PER_S)],
    ids=["bang", "just loud enough", "voice", "glass"],
)
@pytest.mark.parametrize("offset", range(0, 8, 3))
def test_each_sound_is_reported_once_and_at_once(sound: np.ndarray, offset: int) -> None:
    """At any offset to the decisions, the report is within 300 ms and has the onset."""
    (pattern,) = run(np.concatenate((noise()[offset:], sound, noise(10, seed=1))))
    onset = (START - offset) * PARAMS.hop_samples
    assert pattern.name == "sound"
    assert not pattern.reason
    assert pattern.detail == "speech 0.30"
    assert abs(pattern.onsets[0] - onset) <= PARAMS.n_fft
    assert 0 < pattern.decided - onset <= 0.3 * PARAMS.sample_rate_hz
    assert 0.9 <= pattern.confidence <= 1.0


def test_an_onset_is_at_the_start_of_the_rise() -> None:
    """The fast weighting rises for a while before it exceeds the margin."""
    (pattern,) = run(scene(np.concatenate((np.linspace(-46, -20, 8), steady(-20, 0.2)))))
    assert abs(pattern.onsets[0] / PARAMS.hop_samples - START) <= 2


@pytest.mark.parametrize(
    "levels",
    [
        noise(300),
        noise(300, spread_db=3.0),
        noise(300) + 6 * np.sin(np.arange(300 * PER_S) / PER_S * 2 * np.pi / 12),
        noise(300) + np.linspace(0, 40, 300 * PER_S),
        scene(steady(-41, 2.0), steady(-20, 0.05)),
        np.concatenate((noise(60, level_db=-127, spread_db=0), noise(60, level_db=-95, spread_db=3))),
        np.concatenate((noise(1.5), steady(-20, 0.3))),
    ],
    ids=[
        "steady",
        "restless",
        "traffic",
        "slowly louder",
        "too faint, too short",
        "a microphone's own noise",
        "opening",
    ],
)
def test_a_background_is_not_reported(levels: np.ndarray) -> None:
    """Neither its spread nor its slow change is a sound, nor is anything before there is a background."""
    assert run(levels) == []


def test_lasting_noise_becomes_the_background() -> None:
    """A fan is reported at its start, and sounds above it from `background_s` later on."""
    fan = np.concatenate((noise(40, level_db=-30, seed=1), steady(-10, 0.2), noise(10, level_db=-30, seed=2)))
    onsets = [round(p.onsets[0] / PARAMS.sample_rate_hz) for p in run(np.concatenate((noise(), fan)))]
    assert onsets == [40, 80]


def test_the_next_report_waits_for_quiet() -> None:
    """A voice with pauses shorter than `quiet_s` is one sound, and a longer pause ends it."""
    talk = [voice(-25, 2.0) for _ in range(4)]
    assert len(run(scene(*talk, rest_s=4.0), quiet_s=5.0)) == 1
    assert len(run(scene(*talk, rest_s=6.0), quiet_s=5.0)) == 4


def test_a_report_waits_for_min_duration_s() -> None:
    """Time above the margin is added up over syllables."""
    assert run(scene(steady(-20, 0.5)), min_duration_s=1.0) == []
    (pattern,) = run(scene(voice(-20, 4.0)), min_duration_s=1.0)
    assert 1.0 < pattern.decided / PARAMS.sample_rate_hz - QUIET_S < 2.3


def test_an_ignored_label_suppresses_its_sound() -> None:
    """The model needs a moment to recognise a dog; until then nothing is decided."""
    barking = scene(steady(-20, 0.3))
    (pattern,) = run(barking, ignore=("dog",), dog={40.3: 0.7, 42.0: 0.0})
    assert (pattern.reason, pattern.detail) == (IGNORED, "dog 0.70")
    assert [p.reason for p in run(barking, ignore=("dog",), dog={40.3: 0.4})] == [""]
    assert [p.reason for p in run(barking, ignore=("speech",), dog={40.3: 0.7})] == [""]


def test_a_sound_with_ignored_labels_is_decided_within_half_a_second() -> None:
    """The wait for the model is limited."""
    (pattern,) = run(scene(steady(-20, 0.3)), ignore=("dog",))
    assert pattern.decided / PARAMS.sample_rate_hz - QUIET_S <= 0.5


def test_an_ignored_label_does_not_hide_a_later_sound() -> None:
    """A dog barks twice, then somebody speaks: one suppression for the dog, one report."""
    sounds = np.concatenate((noise(), steady(-20, 2.0), noise(1.0, seed=1), steady(-20, 2.0), voice(-25, 4.0)))
    found = run(sounds, ignore=("dog",), dog={40.2: 0.9, 45.5: 0.1})
    assert [pattern.reason for pattern in found] == [IGNORED, ""]
    assert 45.0 <= found[1].onsets[0] / PARAMS.sample_rate_hz <= 46.0


def test_chunks_do_not_matter() -> None:
    """Single frames and minutes at once give the same reports."""
    levels = scene(voice(-25, 3.0), steady(-20, 0.2), steady(-30, 12.0))
    expected = run(levels)
    assert len(expected) == 3
    assert all(run(levels, chunk=chunk) == expected for chunk in (1, 7, 64, levels.size))


def test_a_gap_forgets_the_sound_and_keeps_the_background() -> None:
    """A sound before it does not continue after it; the rise of the meter after it is not a sound."""
    watch = AwayWatch(Away(min_duration_s=1.0), PARAMS, LABELS)
    assert run(np.concatenate((noise(), steady(-20, 0.7))), watch=watch) == []
    rise = np.maximum(-50, np.linspace(-127, -20, 16))
    after = np.concatenate((rise, steady(-20, 0.5), noise(2.0, seed=1), steady(-20, 1.2), noise(10, seed=2)))
    (pattern,) = run(after, watch=watch, first=START + 1000)
    assert pattern.onsets[0] / PARAMS.hop_samples == pytest.approx(START + 1000 + 16 + 2.5 * PER_S, abs=2)


def test_a_sound_in_progress_is_reported_when_the_watch_is_rearmed() -> None:
    """A sound that continues when the mode becomes armed is reported."""
    watch = AwayWatch(Away(), PARAMS, LABELS)
    assert len(run(np.concatenate((noise(), voice(-25, 3.0))), watch=watch)) == 1
    first = START + 3 * PER_S
    assert run(voice(-25, 1.0), watch=watch, first=first) == []
    watch.rearm()
    assert len(run(voice(-25, 1.0), watch=watch, first=first + PER_S)) == 1


def test_an_unknown_ignored_label_is_refused() -> None:
    """The error names the nearest label."""
    with pytest.raises(ConfigError, match=r"away\.ignore: the model has no label 'dgo'; did you mean 'dog'\?"):
        AwayWatch(Away(ignore=("dgo",)), PARAMS, LABELS)


@pytest.mark.parametrize(("bursts_db", "restless"), [(None, False), (-47.0, False), (-42.0, True)])
def test_levels_have_the_threshold_of_a_report(bursts_db: float | None, restless: bool) -> None:
    """A sound just above the threshold is reported, one just below is not; frequent sounds make it restless."""
    watch = AwayWatch(Away(), PARAMS, LABELS)
    assert watch.describe_levels(0.0) is None
    levels = noise(spread_db=0.1)
    if bursts_db is not None:
        levels.reshape(-1, PER_S)[:, : PER_S // 4] = bursts_db
    assert run(levels, watch=watch) == []
    levels_db = watch.describe_levels(100.0)
    assert levels_db is not None
    levels_at_0_db = watch.describe_levels(0.0)
    assert levels_at_0_db is not None
    assert levels_db["restless"] is restless
    assert levels_db == {
        "background": pytest.approx(levels_at_0_db["background"] + 100.0),
        "threshold": pytest.approx(levels_at_0_db["threshold"] + 100.0),
        "restless": levels_at_0_db["restless"],
    }
    assert levels_db["threshold"] - levels_db["background"] == pytest.approx(Away().margin_db)
    for more_db, count in ((-1, 0), (1, 1)):
        sound = steady(levels_db["threshold"] - 100.0 + more_db, 0.5)
        assert len(run(np.concatenate((levels, sound)))) == count
