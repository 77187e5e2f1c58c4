"""The matcher: which claps are a pattern, and when that is known."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.claps.patterns import Matcher
from edge.settings.claps import Claps
from edge.types import Clap

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from edge.types import Pattern

RATE_HZ = 16_000
MS = RATE_HZ // 1000
KNOCK = {"rhythm": [1, 0.5, 0.5], "tolerance": 0.2}
ONLY_DOUBLE = {"triple": {"enabled": False}}
ONLY_KNOCK = {**ONLY_DOUBLE, "double": {"enabled": False}, "knock": KNOCK}
GAPS_MS = st.integers(150, 700)


def claps(*gaps_ms: float, begin_ms: int = 1000) -> list[Clap]:
    """Return a clap, and one after each gap."""
    times = [begin_ms]
    for gap in gaps_ms:
        times.append(times[-1] + gap)
    return [Clap(round(ms * MS), 0.9, -20.0) for ms in times]


def matcher(patterns: dict[str, Any] | None = None, **settings: Any) -> Matcher:
    return Matcher(Claps.model_validate({"max_gap_s": 0.75, "patterns": patterns or {}, **settings}), RATE_HZ)


def heard(matching: Matcher, row: Iterable[Clap], ticks: Iterable[int] = ()) -> list[Pattern]:
    """Return what the claps make in the end, where the matcher is also told the time at `ticks`."""
    order: list[tuple[int, int, Clap | None]] = [(clap.at, 1, clap) for clap in row] + [(at, 0, None) for at in ticks]
    patterns = []
    for at, _, clap in sorted(order, key=lambda item: item[:2]):
        patterns += matching.advance(at) if clap is None else matching.add_clap(clap)
    return patterns + matching.advance(10**9)


def said(patterns: Iterable[Pattern]) -> list[str]:
    return [pattern.reason or pattern.name for pattern in patterns]


@pytest.mark.parametrize(
    ("gaps_ms", "expected"),
    [
        ((), []),
        ((400,), ["double"]),
        ((400, 350), ["triple"]),
        ((400, 350, 380), ["too many claps"]),
        ((740,), ["double"]),
        ((760,), []),
        ((60, 400, 60), ["double"]),
        ((400, 1800, 400), ["double", "double"]),
        ((400, 1800, 400, 400), ["double", "triple"]),
        ((120,) * 60, ["too many claps"]),
        ((900, 400), ["double"]),
    ],
)
def test_what_a_row_of_claps_is(gaps_ms: tuple[float, ...], expected: list[str]) -> None:
    """Two are a double, three a triple, one is nothing and more are an applause; echoes do not count."""
    assert said(heard(matcher(), claps(*gaps_ms))) == expected


def test_a_pattern_carries_its_claps() -> None:
    """Its onsets, the mean of its claps' log-odds as a probability, and the deadline as the moment of its decision."""
    first, second = claps(400)
    (pattern,) = heard(matcher(), [first, replace(second, confidence=0.6)])
    assert (pattern.name, pattern.reason) == ("double", "")
    odds = (0.9 / 0.1 * 0.6 / 0.4) ** 0.5
    assert pattern.confidence == pytest.approx(odds / (1 + odds))
    assert pattern.compute_intervals_ms(RATE_HZ) == [400]
    assert pattern.decided == second.at + 750 * MS


@pytest.mark.parametrize(
    ("patterns", "gaps_ms", "wait_ms"),
    [
        ({}, (400,), 750),
        (ONLY_DOUBLE, (400,), 600),
        (ONLY_DOUBLE, (200,), 400),
        (ONLY_DOUBLE, (700,), 750),
        ({}, (200, 200), 400),
        (ONLY_KNOCK, (), 3000),
        (ONLY_KNOCK, (400,), 600),
        (ONLY_KNOCK, (1600,), 1600 / 0.8 * 0.5 * 1.2),
        (ONLY_KNOCK, (1600, 800), 800 / 0.8 * 1.2),
        (ONLY_KNOCK, (1600, 800, 800), 750),
        ({**ONLY_KNOCK, "knock": {**KNOCK, "tempo_s": 2}}, (2000,), 2000 * 0.5 * 1.2),
    ],
)
def test_it_waits_just_long_enough(patterns: dict[str, Any], gaps_ms: tuple[float, ...], wait_ms: float) -> None:
    """As long as a longer pattern may go on, or as one more clap would prove that it was something else."""
    matching, row = matcher(patterns), claps(*gaps_ms)
    for clap in row:
        assert matching.add_clap(clap) == []
    assert matching.deadline == pytest.approx(row[-1].at + wait_ms * MS, abs=1)
    assert matching.advance(matching.deadline) == []
    assert said(matching.advance(matching.deadline + 1)) == said(heard(matcher(patterns), row))


def test_how_long_each_pattern_waits_at_most() -> None:
    """Whoever has nothing longer to wait for settles; a slower rhythm makes shorter patterns wait for it."""
    assert matcher().waiting_s == {"double": 0.75, "triple": 0.75}
    slow = matcher({"slow": {"rhythm": [1, 1, 1, 2], "tempo_s": 0.6, "tolerance": 0.5}})
    assert slow.waiting_s == pytest.approx({"slow": 0.75, "double": 0.9, "triple": 0.9})


@pytest.mark.parametrize(
    ("gaps_ms", "expected"),
    [
        ((400, 200, 200), ["knock"]),
        ((1000, 500, 500), ["knock"]),
        ((3000, 1500, 1500), ["knock"]),
        ((3700, 1850, 1850), []),
        ((400, 240, 180), ["knock"]),
        ((400, 320, 200), ["no pattern"]),
        ((400, 200), ["triple"]),
        ((400, 200, 200, 200), ["too many claps"]),
        ((2000, 300), ["double"]),
        ((300, 300), ["triple"]),
        ((1600, 800, 200, 200), ["triple"]),
        ((1100, 400, 200, 200), ["knock"]),
    ],
)
def test_a_rhythm_of_any_tempo(gaps_ms: tuple[float, ...], expected: list[str]) -> None:
    """Proportions make it; strays before it and numbers of claps beside it keep their meaning."""
    assert said(heard(matcher({"knock": KNOCK}), claps(*gaps_ms))) == expected


@pytest.mark.parametrize(
    ("gaps_ms", "expected"), [((500, 250, 250), ["knock"]), ((590, 200, 300), ["knock"]), ((650, 325, 325), [])]
)
def test_a_rhythm_of_one_tempo(gaps_ms: tuple[float, ...], expected: list[str]) -> None:
    """Each gap must be near its length in seconds."""
    patterns = heard(matcher({**ONLY_KNOCK, "knock": {**KNOCK, "tempo_s": 0.5}}), claps(*gaps_ms))
    assert [pattern.name for pattern in patterns if not pattern.reason] == expected


def test_a_rhythm_goes_before_a_number() -> None:
    """Where both fit, it is the rhythm."""
    assert said(heard(matcher({"gallop": {"rhythm": [1, 0.4]}}), claps(500, 200))) == ["gallop"]


def test_what_a_slow_rhythm_leaves_behind() -> None:
    """A double that might have begun a rhythm is one as soon as a late clap shows that it did not, or at the end."""
    slow = {"slow": {"rhythm": [1, 5]}}
    assert said(heard(matcher(slow), claps(300, 1500))) == ["slow"]
    (pattern,) = heard(matcher(slow), claps(300, 800))
    assert (pattern.name, pattern.decided) == ("double", claps(300, 800)[-1].at)
    assert said(heard(matcher({"long": {"rhythm": [1, 5, 5]}}), claps(300, 1500))) == ["double"]


def test_what_is_held_against_a_pattern() -> None:
    """It is suppressed by its name; what goes on in the same row counts as little, and what comes later counts."""
    first, second, third, *later = claps(200, 600, 2000, 300)
    strict = {**ONLY_DOUBLE, "double": {"min_confidence": 0.5}}
    (pattern, after) = heard(matcher(strict), [first, replace(second, confidence=0.05), third, *later])
    assert (pattern.name, pattern.reason, pattern.detail) == ("double", "not sure", "0.41, wanted 0.50")
    assert (after.name, after.reason, after.onsets) == ("double", "", tuple(clap.at for clap in later))


def test_what_is_much_fainter_than_the_rest_comes_from_elsewhere() -> None:
    """It is left out before the claps are counted; a first clap held down by a noise gate is not."""
    first, second, third = claps(300, 300)
    (pattern,) = heard(matcher(), [replace(first, level_db=-50.0), second, third])
    assert (pattern.name, pattern.onsets) == ("double", (second.at, third.at))
    (pattern,) = heard(matcher(), [replace(first, level_db=-45.0), second, third])
    assert (pattern.name, pattern.level_db) == ("triple", -45.0)


def test_each_pattern_has_its_own_surety() -> None:
    """A pattern that asks for more than another does not get it with the same claps."""
    strict = matcher({"triple": {"min_confidence": 0.95}})
    assert said(heard(strict, claps(300, 300, 3000, 300))) == ["not sure", "double"]


def test_an_applause_is_one_suppression() -> None:
    """However long it lasts, it is said once, when it is over, and only its beginning is kept."""
    row = claps(*[180, 250, 130] * 200)
    (pattern,) = heard(matcher(), row)
    assert (pattern.name, pattern.reason) == ("601 claps", "too many claps")
    assert pattern.onsets == tuple(clap.at for clap in row[:4])
    assert pattern.decided == row[-1].at + 750 * MS


def test_refractory_time() -> None:
    """Claps within it are not counted, not even as the beginning of a pattern."""
    row = claps(300, 750 + 500, 450, 100 + 350)
    assert said(heard(matcher(refractory_s=1.0), row)) == ["double", "too soon"]
    assert said(heard(matcher(refractory_s=0.0), row)) == ["double", "triple"]


def test_without_patterns_nothing_waits() -> None:
    """Where all are disabled, claps mean nothing."""
    matching = matcher({**ONLY_DOUBLE, "double": {"enabled": False}})
    assert heard(matching, claps(300, 300)) == []
    assert matching.waiting_s == {}


def test_the_end_of_the_stream_decides() -> None:
    """What waits is decided at once, with the last clap or the end that is told, but never later than it would be."""
    row = claps(300)
    for end, decided in ((None, row[-1].at), (row[-1].at + 50, row[-1].at + 50), (10**9, row[-1].at + 750 * MS)):
        matching = matcher()
        assert [pattern for clap in row for pattern in matching.add_clap(clap)] == []
        assert [(pattern.name, pattern.decided) for pattern in matching.finish(end)] == [("double", decided)]
        assert matching.finish() == []
        assert matching.deadline is None


@given(gaps_ms=st.lists(st.integers(20, 3500), max_size=14), ticks=st.lists(st.integers(0, 40_000), max_size=40))
def test_asking_often_changes_nothing(gaps_ms: list[int], ticks: list[int]) -> None:
    """The same claps give the same patterns, decided at the same moments, however time is told."""
    patterns = {"knock": KNOCK, "slow": {"rhythm": [1, 5, 2]}, "strict": {"rhythm": [1, 2], "tempo_s": 0.3}}
    row = claps(*gaps_ms)
    assert heard(matcher(patterns), row, [ms * MS for ms in ticks]) == heard(matcher(patterns), row)


@given(steady_ms=GAPS_MS, jitters=st.lists(st.floats(0.9, 1.1), min_size=1, max_size=9))
def test_the_number_of_claps_decides(steady_ms: int, jitters: Sequence[float]) -> None:
    """Steady claps with gaps in range are exactly the pattern of their number, and nothing where they are more."""
    row = claps(*(min(749.0, max(150.0, steady_ms * jitter)) for jitter in jitters))
    expected = {2: "double", 3: "triple"}.get(len(row), "too many claps")
    assert said(heard(matcher(), row)) == [expected]


@given(gaps_ms=st.lists(GAPS_MS, max_size=4), echoes_ms=st.lists(st.integers(1, 119), max_size=4))
def test_echoes_change_nothing(gaps_ms: list[int], echoes_ms: list[int]) -> None:
    """Whatever follows a clap within the least gap is part of it, however weak."""
    row = claps(*gaps_ms)
    echoes = [Clap(clap.at + ms * MS, 0.1, -60.0) for clap, ms in zip(row, echoes_ms, strict=False)]
    mixed = sorted([*row, *echoes], key=lambda clap: clap.at)
    assert heard(matcher(), mixed) == heard(matcher(), row)


@given(tempo=st.floats(0.3, 2.9), jitters=st.lists(st.floats(0.85, 1.15), min_size=3, max_size=3))
def test_the_tempo_of_a_free_rhythm_is_free(tempo: float, jitters: list[float]) -> None:
    """As fast or as slow as it is clapped, with each gap within the tolerance."""
    gaps_ms = [min(3000.0, part * 1000 * tempo * by) for part, by in zip(KNOCK["rhythm"], jitters, strict=True)]
    assert said(heard(matcher({"knock": KNOCK}), claps(*gaps_ms))) == ["knock"]


@given(gaps_ms=st.lists(st.integers(150, 350), min_size=1, max_size=5), cut=st.integers(1, 5))
def test_a_gap_in_the_sound_separates(gaps_ms: list[int], cut: int) -> None:
    """Claps before lost samples and claps after them are never one pattern."""
    row, matching = claps(*gaps_ms), matcher()
    before, after = row[:cut], row[cut:]
    assert [pattern for clap in before for pattern in matching.add_clap(clap)] == []
    matching.reset()
    assert matching.deadline is None
    assert heard(matching, after) == heard(matcher(), after)


@given(gaps_ms=st.lists(GAPS_MS, min_size=1, max_size=4), rhythm=st.lists(st.floats(0.3, 3), min_size=1, max_size=4))
def test_no_pattern_waits_longer_than_it_says(gaps_ms: list[int], rhythm: list[float]) -> None:
    """The decision comes within the longest wait of the pattern."""
    matching = matcher({"own": {"rhythm": rhythm}})
    for pattern in heard(matching, claps(*gaps_ms)):
        if not pattern.reason:
            assert pattern.decided - pattern.onsets[-1] <= matching.waiting_s[pattern.name] * RATE_HZ + 1


@given(gap_ms=st.floats(300, 890))
def test_a_clap_at_the_deadline_is_in_time(gap_ms: float) -> None:
    """The wait is the longest gap that still fits: a clap right at its end is in time, the next is late."""
    for late, expected in ((0, True), (1, False)):
        matching = matcher({**ONLY_DOUBLE, "own": {"rhythm": [1, 2]}})
        first, second = claps(gap_ms)
        matching.add_clap(first)
        matching.add_clap(second)
        assert matching.deadline is not None
        third = Clap(matching.deadline + late, 0.9, -20.0)
        assert ("own" in said(heard(matching, [third]))) is expected


def test_single_claps_can_be_asked_for() -> None:
    """Nothing is said of them, but whoever guards patterns wants to know."""
    matching = matcher()
    assert heard(matching, claps(2000, 300)) != []
    assert [clap.at for clap in matching.take_singles()] == [1000 * MS]
    assert matching.take_singles() == []
