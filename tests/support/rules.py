"""Rules for detectors under test."""

from __future__ import annotations

from typing import Any

from edge.detection.rules import Rule
from edge.settings.detection import DEFAULT_VALUES


def make_rule(label: str, **values: Any) -> Rule:
    """Return a rule with the default values, except those given."""
    return Rule(label, **{**DEFAULT_VALUES.collect_values(), **values})
