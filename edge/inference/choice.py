"""Which bundle was chosen: ``active.json`` in the folder of installed bundles, and how that folder is written to.

It names the one in use (`active`; none is the shipped default), the one before it (`previous`) or the one that was gone
back from (`undone`): an installed one by its folder, a shipped one by its id.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic_core import from_json

from edge.errors import StorageError, from_os_error
from edge.inference.manifest import NAME
from edge.jsontext import dumps

if TYPE_CHECKING:
    from collections.abc import Iterator

CHOICES = ("active", "previous", "undone")
_FILE, _MAX_BYTES = "active.json", 1 << 12
_NAME = re.compile(rf"{NAME}(@{NAME})?")


def read_choice(folder: Path) -> dict[str, str]:
    """Return the names that were chosen; none on a new device, or where the file is damaged."""
    try:
        with (folder / _FILE).open("rb") as file:
            values = from_json(file.read(_MAX_BYTES))
    except (OSError, ValueError):
        return {}  # a damaged file must not stop a node that has a shipped bundle
    values = values if isinstance(values, dict) else {}
    return {key: name for key in CHOICES if isinstance(name := values.get(key), str) and _NAME.fullmatch(name)}


def write_choice(folder: Path, **names: str | None) -> None:
    """Put names in the place of those that were chosen, all at once. Raises `Forbidden` or `StorageError`."""
    with writing_to(folder):
        folder.mkdir(parents=True, exist_ok=True)
        # In a folder of its own: this one may be another user's, who might have put a link in the way.
        with tempfile.TemporaryDirectory(dir=folder, prefix=".active-") as temporary:
            fresh = Path(temporary) / _FILE
            with fresh.open("w", encoding="utf-8") as file:
                file.write(dumps(names))
                file.flush()
                os.fsync(file.fileno())
            hand_over(fresh, folder)
            fresh.replace(folder / _FILE)


def hand_over(made: Path, folder: Path) -> None:
    """Give what root made to the owner of the state folder: the service must be able to read and to remove it."""
    if os.geteuid() == 0:
        owner = folder.parent.stat()
        for path in (folder, made, *made.rglob("*")):
            with contextlib.suppress(OSError):  # on a file system that knows no owners
                os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


@contextlib.contextmanager
def writing_to(folder: Path) -> Iterator[None]:
    """Say in our own words what stands in the way of writing."""
    try:
        yield
    except OSError as exc:
        remedy = "run the command with sudo"
        raise from_os_error(
            exc, folder, action="written to", kind=StorageError, missing=StorageError, permission=remedy
        ) from exc
