"""The result of a check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Check:
    """The subject of a check, its state, the findings and a remedy."""

    name: str
    state: Literal["ok", "note", "fail"]
    found: str
    remedy: str = ""

    def as_json(self) -> dict[str, str]:
        """Return the result as JSON values, whose keys outside programs read."""
        return {"name": self.name, "state": self.state, "found": self.found, "mend": self.remedy}
