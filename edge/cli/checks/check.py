"""What a check found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Check:
    """What was looked at, how it is, and what to do about it."""

    name: str
    state: Literal["ok", "note", "fail"]
    found: str
    remedy: str = ""

    def as_json(self) -> dict[str, str]:
        """Return the result as JSON values; outside programs read the remedy as `mend`."""
        return {"name": self.name, "state": self.state, "found": self.found, "mend": self.remedy}
