"""Why what looked like a pattern of claps is suppressed: every reason there is, by the name it is counted by."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

CLAP, APPLAUSE = "clap", "applause"
"""Labels of the event model that say of claps themselves."""
NO_PATTERN, TOO_MANY, TOO_SOON = "no pattern", "too many claps", "too soon"
NOT_SURE, RESTLESS = "not sure", "restless"
_NEVER_HEARD_INSTEAD = (CLAP, "background")


def heard_instead(labels: Sequence[str]) -> list[str]:
    """Return those of the event model's labels that can be what sounded in place of claps."""
    return [label for label in labels if label not in _NEVER_HEARD_INSTEAD]


def every_reason(labels: Sequence[str]) -> list[str]:
    """Return what may stand in the way of a pattern, where the event model has these labels."""
    return [NO_PATTERN, TOO_MANY, TOO_SOON, NOT_SURE, RESTLESS, *heard_instead(labels)]
