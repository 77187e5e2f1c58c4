"""Learning a pattern: takes in, configuration out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from edge.claps.learn import Learned, Takes, learn
from edge.claps.patterns import Matcher
from edge.cli.claps import pattern_toml
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


def learned(*takes: Sequence[Clap]) -> Learned:
    return learn(takes, RATE_HZ, max_gap_s=0.75)


def loaded(text: str, folder: Path) -> Claps:
    path = folder / "tocsin.toml"
    path.write_text(text, encoding="utf-8")
    return load_settings(path, environ={}).claps


def test_a_rhythm_at_one_tempo() -> None:
    """It is the mean of the takes in steps of 0.05, with the tempo they share and twice the room they needed."""
    found = learned(take(0.5, 0.25, 0.28), take(0.52, 0.26, 0.26), take(0.48, 0.24, 0.23))
    assert found == Learned(rhythm=(1.0, 0.5, 0.5), tolerance=0.25, tempo_s=0.5)


def test_a_rhythm_at_any_tempo() -> None:
    """Takes of different tempo leave it open, and only what differs within a take needs tolerance."""
    found = learned(take(0.4, 0.2, 0.6), take(0.6, 0.3, 0.9))
    assert found == Learned(rhythm=(1.0, 0.5, 1.5), tolerance=0.15)


def test_tolerance_has_an_end() -> None:
    """Takes that differ a lot give the largest that the configuration allows."""
    assert learned(take(0.5, 0.2), take(0.5, 0.4)).tolerance == 0.5


@pytest.mark.parametrize("count", [2, 3])
def test_even_claps_are_only_counted(count: int) -> None:
    """Two or three claps with gaps that are the same to whoever claps them need no rhythm."""
    takes = [take(*gaps[: count - 1]) for gaps in ((0.4, 0.45), (0.3, 0.33))]
    assert learned(*takes) == Learned(claps=count)


@pytest.mark.parametrize(
    ("gaps", "rhythm"), [((1.2,), (1.0,)), ((0.4,) * 3, (1.0,) * 3), ((0.3, 0.4), (1.0, 1.35))], ids=str
)
def test_what_is_more_than_a_number(gaps: tuple[float, ...], rhythm: tuple[float, ...]) -> None:
    """A gap that is too long to be counted, four claps, and uneven ones are rhythms."""
    found = learned(take(*gaps), take(*gaps))
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
def test_takes_that_teach_nothing(takes: list[list[Clap]], message: str) -> None:
    """It is said which of them, and what to do."""
    with pytest.raises(DataError, match=message):
        learned(*takes)


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
def test_what_was_learnt_is_recognised(takes: tuple[list[Clap], ...], tmp_path: Path) -> None:
    """Pasted into the configuration, the pattern is what the takes are, and the one that goes first."""
    settings = loaded(pattern_toml("own", learned(*takes)), tmp_path)
    for claps in takes:
        matching = Matcher(settings, RATE_HZ)
        decided = [pattern for clap in claps for pattern in matching.clap(clap)] + matching.finish()
        assert [(pattern.name, pattern.reason) for pattern in decided] == [("own", "")]


def test_what_is_there_already_gives_way() -> None:
    """Three claps under another name take the place of triple; what is open is not written."""
    assert pattern_toml("double", Learned(claps=2)) == "[claps.patterns.double]\nclaps = 2\n"
    lines = pattern_toml("tv", Learned(claps=3)).splitlines()
    assert lines == ["[claps.patterns.tv]", "claps = 3", "", "[claps.patterns.triple]", "enabled = false"]
    free = pattern_toml("own", Learned(rhythm=(1.0, 0.5), tolerance=0.25))
    assert free == "[claps.patterns.own]\nrhythm = [1.0, 0.5]\ntolerance = 0.25\n"


def test_takes_are_cut_at_pauses() -> None:
    """An echo is no clap, a clap on its own is no take, and what goes on is over at the end."""
    takes = Takes(min_gap=round(0.1 * RATE_HZ), pause=round(1.5 * RATE_HZ))
    row = [*take(0.4, 0.05), *take(begin_s=5.0), *take(0.3, 0.3, begin_s=9.0)]
    ended = [done for clap in row if (done := takes.clap(clap))]
    assert ended == [tuple(row[:2])]
    assert takes.advance(row[-1].at + round(1.4 * RATE_HZ)) == ()
    assert takes.advance(row[-1].at + round(1.5 * RATE_HZ)) == tuple(row[-3:])
    assert takes.finish() == ()
