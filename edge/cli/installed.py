"""State folder and credentials of the service that systemd runs on this machine."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

UNITS = tuple(
    Path(folder) / "tocsin.service"
    for folder in (
        "/etc/systemd/system",
        "/run/systemd/system",
        "/usr/local/lib/systemd/system",
        "/usr/lib/systemd/system",
    )
)
STATE = Path("/var/lib/tocsin")
"""The unit's StateDirectory; a link if systemd creates the user for each run (DynamicUser)."""
_CREDENTIAL = re.compile(r"^LoadCredential=([^:\s]+):(\S+)\s*$", re.MULTILINE)


def add_state_folder(environ: Mapping[str, str]) -> Mapping[str, str]:
    """Add the state folder of the service, if one is installed, to an environment.

    A folder that the environment itself names takes precedence.
    """
    return {"STATE_DIRECTORY": str(STATE), **environ} if any(map(os.path.lexists, UNITS)) else environ


def find_credential_file(name: str) -> Path | None:
    """Return the file that the unit passes to the service as a credential.

    The last line for a credential counts. None if there is no such line.
    """
    found = [path for text in _read_unit_texts() for each, path in _CREDENTIAL.findall(text) if each == name]
    return Path(found[-1]) if found else None


def _read_unit_texts() -> Iterator[str]:
    """Yield the text of the unit and of its drop-ins."""
    unit = next((unit for unit in UNITS if os.path.lexists(unit)), None)
    if unit is not None:
        for path in (unit, *sorted(unit.with_name(f"{unit.name}.d").glob("*.conf"))):
            try:
                yield path.read_text(encoding="utf-8", errors="replace")
            except OSError:
                continue
