"""Reasons to suppress a pattern."""

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


def make_patterns(rng: np.random.Generator) -> list[Pattern]:
    """Return the patterns of random claps, with every reason of the matcher."""
    matcher, made, at = Matcher(SETTINGS[rng.integers(2)], RATE_HZ), [], 0
    for _ in range(40):
        at += int(rng.choice([0.15, 0.3, 0.5, 0.9, 2.0]) * RATE_HZ)
        made += matcher.add_clap(Clap(at, float(rng.uniform(0.2, 1.0)), -20.0))
    return made + matcher.finish()


def find_objection(rng: np.random.Generator, pattern: Pattern, labels: Sequence[str]) -> str:
    """Return the objection of guards to a pattern among random scores and onsets."""
    guards = Guards(labels)
    first = pattern.onsets[0] - RATE_HZ
    loudest = rng.choice([0.0, 0.05, 1.0], len(labels))
    for end in range(max(0, first), pattern.decided, RATE_HZ // 10):
        scores = (loudest * rng.uniform(size=len(labels))).astype(np.float32)
        guards.push(Scores(scores, end, heard=0, gap=False))
    for at in rng.integers(first, pattern.decided, rng.integers(6)):
        guards.add_other_onset(Onset(int(at), -20.0, 30.0), float(rng.choice([0.0, 0.01, 0.5])))
    return guards.find_objection(pattern)[0]


def test_every_reason_is_a_declared_one() -> None:
    """Random claps and sounds, also of a model without clap labels, give declared reasons only."""
    rng = np.random.default_rng(7)
    seen: set[str] = set()
    for labels in (LABELS, ("background", "clap"), ("horn",)):
        found = [pattern for _ in range(30) for pattern in make_patterns(rng)]
        reasons = {pattern.reason for pattern in found}
        reasons |= {find_objection(rng, pattern, labels) for pattern in found}
        assert reasons - {""} <= set(list_reasons(labels))
        seen |= reasons
    assert seen - {""} >= set(list_reasons(("dog", "applause")))
