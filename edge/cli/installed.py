"""The service that systemd runs on this machine: the commands that look after it look where it does."""

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
"""Where the unit's StateDirectory is, by a link where its user is made for each run."""
_CREDENTIAL = re.compile(r"^LoadCredential=([^:\s]+):(\S+)\s*$", re.MULTILINE)


def add_state_folder(environ: Mapping[str, str]) -> Mapping[str, str]:
    """Return an environment with the state folder that the unit gives the service, where one is installed.

    A folder that the environment names itself goes before.
    """
    return {"STATE_DIRECTORY": str(STATE), **environ} if any(map(os.path.lexists, UNITS)) else environ


def find_credential_file(name: str) -> Path | None:
    """Return the file that the unit hands to the service as a credential; the last line about it counts."""
    found = [path for text in _read_unit_texts() for each, path in _CREDENTIAL.findall(text) if each == name]
    return Path(found[-1]) if found else None


def _read_unit_texts() -> Iterator[str]:
    """Yield what the unit and its drop-ins say."""
    unit = next((unit for unit in UNITS if os.path.lexists(unit)), None)
    if unit is not None:
        for path in (unit, *sorted(unit.with_name(f"{unit.name}.d").glob("*.conf"))):
            try:
                yield path.read_text(encoding="utf-8", errors="replace")
            except OSError:
                continue
