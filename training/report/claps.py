"""Tables of a clap network's figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from training.report.tables import Table, tabulate

if TYPE_CHECKING:
    from collections.abc import Mapping

_CLAPS = {"takes": "takes", "claps": "claps", "onsets": "onsets found", "confirmed": "confirmed", "recall": "recall"}
_OTHERS = {
    "recordings": "recordings",
    "hours": "hours",
    "onsets": "onsets",
    "taken": "taken for claps",
    "share": "share",
    "per_hour": "an hour",
}


def tabulate_claps(figures: Mapping[str, Any]) -> Table:
    """Return the table of claps, a row per person."""
    return tabulate("claps of", _CLAPS, figures["claps"])


def tabulate_others(figures: Mapping[str, Any]) -> Table:
    """Return the table of recordings without claps, a row per class."""
    return tabulate("class", _OTHERS, figures["others"])
