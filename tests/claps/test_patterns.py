"""Matching of claps with patterns, and the time of the decision."""

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
KNOCK: dict[str, Any] = {"rhythm": [1, 0.5, 0.5], "tolerance": 0.2}
ONLY_DOUBLE = {"triple": {"enabled": False}}
ONLY_KNOCK = {**ONLY_DOUBLE, "double": {"enabled": False}, "knock": KNOCK}
GAPS_MS = st.integers(150, 700)


def claps(*gaps_ms: float, begin_ms: int = 1000) -> list[Clap]:
    """Return a clap, and one after each gap."""
    times: list[float] = [begin_ms]
    for gap in gaps_ms:
        times.append(times[-1] + gap)
    return [Clap(round(ms * MS), 0.9, -20.0) for ms in times]


def make_matcher(patterns: dict[str, Any] | None = None, **settings: Any) -> Matcher:
    return Matcher(Claps.model_validate({"max_gap_s": 0.75, "patterns": patterns or {}, **settings}), RATE_HZ)


def match(matcher: Matcher, row: Iterable[Clap], ticks: Iterable[int] = ()) -> list[Pattern]:
    """Return the patterns of some claps, with the matcher also advanced at `ticks`."""
    order: list[tuple[int, int, Clap | None]] = [(clap.at, 1, clap) for clap in row] + [(at, 0, None) for at in ticks]
    patterns = []
    for at, _, clap in sorted(order, key=lambda item: item[:2]):
        patterns += matcher.advance(at) if clap is None else matcher.add_clap(clap)
    return patterns + matcher.advance(10**9)


def list_results(patterns: Iterable[Pattern]) -> list[str]:
    """Return the name of each pattern, or the reason to suppress it."""
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
def test_the_number_of_claps_makes_the_pattern(gaps_ms: tuple[float, ...], expected: list[str]) -> None:
    """Two claps are a double, three a triple, one is nothing, more are applause; echoes do not count."""
    assert list_results(match(make_matcher(), claps(*gaps_ms))) == expected


def test_a_pattern_carries_its_claps() -> None:
    """It has their onsets, a confidence from their mean log-odds, and the deadline as its decision."""
    first, second = claps(400)
    (pattern,) = match(make_matcher(), [first, replace(second, confidence=0.6)])
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
    """The wait covers longer patterns, and one more clap that would show another sound."""
    matcher, row = make_matcher(patterns), claps(*gaps_ms)
    for clap in row:
        assert matcher.add_clap(clap) == []
    deadline = matcher.deadline
    assert deadline is not None
    assert deadline == pytest.approx(row[-1].at + wait_ms * MS, abs=1)
    assert matcher.advance(deadline) == []
    assert list_results(matcher.advance(deadline + 1)) == list_results(match(make_matcher(patterns), row))


def test_how_long_each_pattern_waits_at_most() -> None:
    """A slow rhythm makes shorter patterns wait for it."""
    assert make_matcher().waiting_s == {"double": 0.75, "triple": 0.75}
    slow = make_matcher({"slow": {"rhythm": [1, 1, 1, 2], "tempo_s": 0.6, "tolerance": 0.5}})
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
    """Proportions define it; single claps before it and other numbers of claps keep their meaning."""
    assert list_results(match(make_matcher({"knock": KNOCK}), claps(*gaps_ms))) == expected


@pytest.mark.parametrize(
    ("gaps_ms", "expected"), [((500, 250, 250), ["knock"]), ((590, 200, 300), ["knock"]), ((650, 325, 325), [])]
)
def test_a_rhythm_of_one_tempo(gaps_ms: tuple[float, ...], expected: list[str]) -> None:
    """Each gap must be near its length in seconds."""
    patterns = match(make_matcher({**ONLY_KNOCK, "knock": {**KNOCK, "tempo_s": 0.5}}), claps(*gaps_ms))
    assert [pattern.name for pattern in patterns if not pattern.reason] == expected


def test_a_rhythm_takes_precedence_over_a_number() -> None:
    """If both fit, the rhythm counts."""
    assert list_results(match(make_matcher({"gallop": {"rhythm": [1, 0.4]}}), claps(500, 200))) == ["gallop"]


def test_a_broken_off_rhythm_leaves_a_double() -> None:
    """A double that may begin a rhythm is decided by a late clap or by the end."""
    slow = {"slow": {"rhythm": [1, 5]}}
    assert list_results(match(make_matcher(slow), claps(300, 1500))) == ["slow"]
    (pattern,) = match(make_matcher(slow), claps(300, 800))
    assert (pattern.name, pattern.decided) == ("double", claps(300, 800)[-1].at)
    assert list_results(match(make_matcher({"long": {"rhythm": [1, 5, 5]}}), claps(300, 1500))) == ["double"]


def test_an_unsure_pattern_is_suppressed() -> None:
    """The rest of its row is ignored, and a later pattern counts."""
    first, second, third, *later = claps(200, 600, 2000, 300)
    strict = {**ONLY_DOUBLE, "double": {"min_confidence": 0.5}}
    (pattern, after) = match(make_matcher(strict), [first, replace(second, confidence=0.05), third, *later])
    assert (pattern.name, pattern.reason, pattern.detail) == ("double", "not sure", "0.41, wanted 0.50")
    assert (after.name, after.reason, after.onsets) == ("double", "", tuple(clap.at for clap in later))


def test_a_much_fainter_clap_is_left_out() -> None:
    """It comes from elsewhere; a first clap reduced by a noise gate still counts."""
    first, second, third = claps(300, 300)
    (pattern,) = match(make_matcher(), [replace(first, level_db=-50.0), second, third])
    assert (pattern.name, pattern.onsets) == ("double", (second.at, third.at))
    (pattern,) = match(make_matcher(), [replace(first, level_db=-45.0), second, third])
    assert (pattern.name, pattern.level_db) == ("triple", -45.0)


def test_each_pattern_has_its_own_least_confidence() -> None:
    """The same claps suffice for one pattern and not for another."""
    strict = make_matcher({"triple": {"min_confidence": 0.95}})
    assert list_results(match(strict, claps(300, 300, 3000, 300))) == ["not sure", "double"]


def test_an_applause_is_one_suppression() -> None:
    """It is reported once, at its end, and only its beginning is kept."""
    row = claps(*[180, 250, 130] * 200)
    (pattern,) = match(make_matcher(), row)
    assert (pattern.name, pattern.reason) == ("601 claps", "too many claps")
    assert pattern.onsets == tuple(clap.at for clap in row[:4])
    assert pattern.decided == row[-1].at + 750 * MS


def test_refractory_time() -> None:
    """Claps within it do not count, not even as the beginning of a pattern."""
    row = claps(300, 750 + 500, 450, 100 + 350)
    assert list_results(match(make_matcher(refractory_s=1.0), row)) == ["double", "too soon"]
    assert list_results(match(make_matcher(refractory_s=0.0), row)) == ["double", "triple"]


def test_without_patterns_nothing_waits() -> None:
    """With all patterns disabled, claps mean nothing."""
    matcher = make_matcher({**ONLY_DOUBLE, "double": {"enabled": False}})
    assert match(matcher, claps(300, 300)) == []
    assert matcher.waiting_s == {}


def test_the_end_of_the_stream_decides() -> None:
    """Waiting claps are decided at the last clap or the given end, but not after the deadline."""
    row = claps(300)
    for end, decided in ((None, row[-1].at), (row[-1].at + 50, row[-1].at + 50), (10**9, row[-1].at + 750 * MS)):
        matcher = make_matcher()
        assert [pattern for clap in row for pattern in matcher.add_clap(clap)] == []
        assert [(pattern.name, pattern.decided) for pattern in matcher.finish(end)] == [("double", decided)]
        assert matcher.finish() == []
        assert matcher.deadline is None


@given(gaps_ms=st.lists(st.integers(20, 3500), max_size=14), ticks=st.lists(st.integers(0, 40_000), max_size=40))
def test_the_calls_of_advance_do_not_matter(gaps_ms: list[int], ticks: list[int]) -> None:
    """The same claps give the same patterns with the same decisions."""
    patterns = {"knock": KNOCK, "slow": {"rhythm": [1, 5, 2]}, "strict": {"rhythm": [1, 2], "tempo_s": 0.3}}
    row = claps(*gaps_ms)
    assert match(make_matcher(patterns), row, [ms * MS for ms in ticks]) == match(make_matcher(patterns), row)


@given(steady_ms=GAPS_MS, jitters=st.lists(st.floats(0.9, 1.1), min_size=1, max_size=9))
def test_the_number_of_claps_decides(steady_ms: int, jitters: Sequence[float]) -> None:
    """Steady claps are exactly the pattern of their number, and more claps are none."""
    row = claps(*(min(749.0, max(150.0, steady_ms * jitter)) for jitter in jitters))
    expected = {2: "double", 3: "triple"}.get(len(row), "too many claps")
    assert list_results(match(make_matcher(), row)) == [expected]


@given(gaps_ms=st.lists(GAPS_MS, max_size=4), echoes_ms=st.lists(st.integers(1, 119), max_size=4))
def test_echoes_change_nothing(gaps_ms: list[int], echoes_ms: list[int]) -> None:
    """An onset within the least gap after a clap is part of it."""
    row = claps(*gaps_ms)
    echoes = [Clap(clap.at + ms * MS, 0.1, -60.0) for clap, ms in zip(row, echoes_ms, strict=False)]
    mixed = sorted([*row, *echoes], key=lambda clap: clap.at)
    assert match(make_matcher(), mixed) == match(make_matcher(), row)


@given(tempo=st.floats(0.3, 2.9), jitters=st.lists(st.floats(0.85, 1.15), min_size=3, max_size=3))
def test_the_tempo_of_a_free_rhythm_is_free(tempo: float, jitters: list[float]) -> None:
    """Any tempo fits, with each gap within the tolerance."""
    gaps_ms = [min(3000.0, part * 1000 * tempo * by) for part, by in zip(KNOCK["rhythm"], jitters, strict=True)]
    assert list_results(match(make_matcher({"knock": KNOCK}), claps(*gaps_ms))) == ["knock"]


@given(gaps_ms=st.lists(st.integers(150, 350), min_size=1, max_size=5), cut=st.integers(1, 5))
def test_a_gap_in_the_sound_separates(gaps_ms: list[int], cut: int) -> None:
    """Claps before and after lost samples never make one pattern."""
    row, matcher = claps(*gaps_ms), make_matcher()
    before, after = row[:cut], row[cut:]
    assert [pattern for clap in before for pattern in matcher.add_clap(clap)] == []
    matcher.reset()
    assert matcher.deadline is None
    assert match(matcher, after) == match(make_matcher(), after)


@given(gaps_ms=st.lists(GAPS_MS, min_size=1, max_size=4), rhythm=st.lists(st.floats(0.3, 3), min_size=1, max_size=4))
def test_no_pattern_waits_longer_than_waiting_s(gaps_ms: list[int], rhythm: list[float]) -> None:
    """The decision is within the longest wait of the pattern."""
    matcher = make_matcher({"own": {"rhythm": rhythm}})
    for pattern in match(matcher, claps(*gaps_ms)):
        if not pattern.reason:
            assert pattern.decided - pattern.onsets[-1] <= matcher.waiting_s[pattern.name] * RATE_HZ + 1


@given(gap_ms=st.floats(300, 890))
def test_a_clap_at_the_deadline_is_in_time(gap_ms: float) -> None:
    """The wait is the longest gap that fits: a clap at its end is in time, one after it is late."""
    for late, expected in ((0, True), (1, False)):
        matcher = make_matcher({**ONLY_DOUBLE, "own": {"rhythm": [1, 2]}})
        first, second = claps(gap_ms)
        matcher.add_clap(first)
        matcher.add_clap(second)
        assert matcher.deadline is not None
        third = Clap(matcher.deadline + late, 0.9, -20.0)
        assert ("own" in list_results(match(matcher, [third]))) is expected


def test_single_claps_are_returned() -> None:
    """They make no pattern, but the guards need them."""
    matcher = make_matcher()
    assert match(matcher, claps(2000, 300)) != []
    assert [clap.at for clap in matcher.take_singles()] == [1000 * MS]
    assert matcher.take_singles() == []
