"""The reasons for which a clap pattern is suppressed, by their names in the metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

CLAP, APPLAUSE = "clap", "applause"
"""Labels of the event model for claps themselves."""
NO_PATTERN, TOO_MANY, TOO_SOON = "no pattern", "too many claps", "too soon"
NOT_SURE, RESTLESS = "not sure", "restless"
_NO_REASON = (CLAP, "background")


def list_other_labels(labels: Sequence[str]) -> list[str]:
    """Return the event model's labels that can explain a sound instead of claps."""
    return [label for label in labels if label not in _NO_REASON]


def list_reasons(labels: Sequence[str]) -> list[str]:
    """Return every reason to suppress a pattern, for an event model with these labels."""
    return [NO_PATTERN, TOO_MANY, TOO_SOON, NOT_SURE, RESTLESS, *list_other_labels(labels)]
