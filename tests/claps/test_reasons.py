"""The reasons for which what looks like a pattern is suppressed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edge.claps.guards import RATE_HZ, Guards
from edge.claps.onsets import Onset
from edge.claps.patterns import Matcher
from edge.claps.reasons import list_reasons
from edge.settings.claps import Claps
from edge.types import Clap, Pattern, Scores

if TYPE_CHECKING:
    from collections.abc import Sequence

LABELS = ("background", "dog", "applause", "clap")
SETTINGS = [Claps(), Claps.model_validate({"patterns": {"double": {"enabled": False}, "rhythm": {"rhythm": [1, 0.5]}}})]


def patterns(rng: np.random.Generator) -> list[Pattern]:
    """Return what a matcher makes of claps at random, with every reason of its own."""
    matcher, made, at = Matcher(SETTINGS[rng.integers(2)], RATE_HZ), [], 0
    for _ in range(40):
        at += int(rng.choice([0.15, 0.3, 0.5, 0.9, 2.0]) * RATE_HZ)
        made += matcher.add_clap(Clap(at, float(rng.uniform(0.2, 1.0)), -20.0))
    return made + matcher.finish()


def objection(rng: np.random.Generator, pattern: Pattern, labels: Sequence[str]) -> str:
    """Return what guards say of a pattern amid scores and other onsets at random."""
    guards = Guards(labels)
    first = pattern.onsets[0] - RATE_HZ
    loudest = rng.choice([0.0, 0.05, 1.0], len(labels))
    for end in range(max(0, first), pattern.decided, RATE_HZ // 10):
        scores = (loudest * rng.uniform(size=len(labels))).astype(np.float32)
        guards.push(Scores(scores, end, heard=0, gap=False))
    for at in rng.integers(first, pattern.decided, rng.integers(6)):
        guards.add_other_onset(Onset(int(at), -20.0, 30.0), float(rng.choice([0.0, 0.01, 0.5])))
    return guards.find_objection(pattern)[0]


def test_every_reason_is_one_of_those_that_are_counted_from_nought() -> None:
    """Whatever claps and other sounds come together; also of a model without the labels that matter to claps."""
    rng = np.random.default_rng(7)
    seen: set[str] = set()
    for labels in (LABELS, ("background", "clap"), ("horn",)):
        heard = [pattern for _ in range(30) for pattern in patterns(rng)]
        reasons = {pattern.reason for pattern in heard}
        reasons |= {objection(rng, pattern, labels) for pattern in heard}
        assert reasons - {""} <= set(list_reasons(labels))
        seen |= reasons
    assert seen - {""} >= set(list_reasons(("dog", "applause")))
