"""Learning of a pattern from takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from edge.claps.learn import LearnedPattern, Takes, learn
from edge.claps.patterns import Matcher
from edge.cli.claps import format_pattern
from edge.errors import DataError
from edge.settings.load import load_settings
from edge.types import Clap

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edge.settings.claps import Claps

RATE_HZ = 16_000


def take(*gaps_s: float, begin_s: float = 1.0) -> list[Clap]:
    """Return a clap, and one after each gap."""
    times = [begin_s]
    for gap in gaps_s:
        times.append(times[-1] + gap)
    return [Clap(round(s * RATE_HZ), 0.9, -20.0) for s in times]


def learn_from(*takes: Sequence[Clap]) -> LearnedPattern:
    """Return the pattern of some takes."""
    return learn(takes, RATE_HZ, max_gap_s=0.75)


def load_claps(text: str, folder: Path) -> Claps:
    """Return the clap settings of a configuration."""
    path = folder / "tocsin.toml"
    path.write_text(text, encoding="utf-8")
    return load_settings(path, environ={}).claps


def test_a_rhythm_at_one_tempo() -> None:
    """The rhythm is the mean of the takes in steps of 0.05, with their tempo and twice their deviation."""
    found = learn_from(take(0.5, 0.25, 0.28), take(0.52, 0.26, 0.26), take(0.48, 0.24, 0.23))
    assert found == LearnedPattern(rhythm=(1.0, 0.5, 0.5), tolerance=0.25, tempo_s=0.5)


def test_a_rhythm_at_any_tempo() -> None:
    """With takes of different tempo, only deviations within a take need tolerance."""
    found = learn_from(take(0.4, 0.2, 0.6), take(0.6, 0.3, 0.9))
    assert found == LearnedPattern(rhythm=(1.0, 0.5, 1.5), tolerance=0.15)


def test_tolerance_is_limited() -> None:
    """Takes that differ a lot give the largest tolerance of the settings."""
    assert learn_from(take(0.5, 0.2), take(0.5, 0.4)).tolerance == 0.5


@pytest.mark.parametrize("count", [2, 3])
def test_even_claps_are_only_counted(count: int) -> None:
    """Two or three claps with nearly equal gaps need no rhythm."""
    takes = [take(*gaps[: count - 1]) for gaps in ((0.4, 0.45), (0.3, 0.33))]
    assert learn_from(*takes) == LearnedPattern(claps=count)


@pytest.mark.parametrize(
    ("gaps", "rhythm"), [((1.2,), (1.0,)), ((0.4,) * 3, (1.0,) * 3), ((0.3, 0.4), (1.0, 1.35))], ids=str
)
def test_other_takes_are_rhythms(gaps: tuple[float, ...], rhythm: tuple[float, ...]) -> None:
    """A gap above `max_gap_s`, four claps, and uneven claps are rhythms."""
    found = learn_from(take(*gaps), take(*gaps))
    assert (found.claps, found.rhythm, found.tempo_s) == (None, rhythm, gaps[0])


@pytest.mark.parametrize(
    ("takes", "message"),
    [
        ([], "there is no take of two or more claps"),
        ([take(0.3)], "there is 1 take of two or more claps"),
        ([take(0.3, 0.5), take(0.3)], "take 2 has 2 claps, take 1 has 3; clap the same"),
        ([take(0.3), take(0.3, 0.5), take(0.3)], "take 2 has 3 claps, most have 2; clap the same"),
        ([take(*[0.3] * 8)] * 2, "the takes have 9 claps; clap 2 to 8 times"),
        ([take(0.12, 1.4)] * 2, "gap 2 is more than 10 times the first"),
        ([take(0.3, 0.9), take(0.3, 0.9), take(0.9, 0.2)], "take 3: its rhythm differs from the others by more"),
    ],
)
def test_inconsistent_takes_are_refused(takes: list[list[Clap]], message: str) -> None:
    """The error names the take and the remedy."""
    with pytest.raises(DataError, match=message):
        learn_from(*takes)


@pytest.mark.parametrize(
    "takes",
    [
        (take(0.5, 0.25, 0.26), take(0.52, 0.27, 0.25)),
        (take(0.4, 0.2, 0.6), take(0.6, 0.3, 0.9)),
        (take(0.35, 0.3), take(0.35, 0.35)),
        (take(1.2), take(1.3)),
        (take(0.13, 0.4, 0.13, 0.4), take(0.15, 0.42, 0.14, 0.4)),
    ],
    ids=["tempo", "free", "count", "slow", "quick"],
)
def test_a_learned_pattern_is_recognised(takes: tuple[list[Clap], ...], tmp_path: Path) -> None:
    """In the configuration, the pattern matches its takes and takes precedence."""
    settings = load_claps(format_pattern("own", learn_from(*takes)), tmp_path)
    for claps in takes:
        matcher = Matcher(settings, RATE_HZ)
        decided = [pattern for clap in claps for pattern in matcher.add_clap(clap)] + matcher.finish()
        assert [(pattern.name, pattern.reason) for pattern in decided] == [("own", "")]


def test_a_shipped_pattern_of_as_many_claps_is_disabled() -> None:
    """Three claps under another name replace `triple`; an open tempo is not written."""
    assert format_pattern("double", LearnedPattern(claps=2)) == "[claps.patterns.double]\nclaps = 2\n"
    lines = format_pattern("tv", LearnedPattern(claps=3)).splitlines()
    assert lines == ["[claps.patterns.tv]", "claps = 3", "", "[claps.patterns.triple]", "enabled = false"]
    free = format_pattern("own", LearnedPattern(rhythm=(1.0, 0.5), tolerance=0.25))
    assert free == "[claps.patterns.own]\nrhythm = [1.0, 0.5]\ntolerance = 0.25\n"


def test_takes_are_cut_at_pauses() -> None:
    """An echo is not a clap, a single clap is not a take, and the end completes the current take."""
    takes = Takes(min_gap=round(0.1 * RATE_HZ), pause=round(1.5 * RATE_HZ))
    row = [*take(0.4, 0.05), *take(begin_s=5.0), *take(0.3, 0.3, begin_s=9.0)]
    ended = [done for clap in row if (done := takes.add_clap(clap))]
    assert ended == [tuple(row[:2])]
    assert takes.advance(row[-1].at + round(1.4 * RATE_HZ)) == ()
    assert takes.advance(row[-1].at + round(1.5 * RATE_HZ)) == tuple(row[-3:])
    assert takes.finish() == ()
