"""The choice of a bundle in ``active.json``, and writing to the folder of installed bundles.

The file names the bundle in use (`active`; without it the shipped default), the one before it (`previous`), or the one
that a rollback left (`undone`). Installed bundles are named by their folder, shipped ones by their id.
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
    """Return the chosen names; empty if the file is absent or damaged."""
    try:
        with (folder / _FILE).open("rb") as file:
            values = from_json(file.read(_MAX_BYTES))
    except (OSError, ValueError):
        return {}  # a damaged file must not stop a node that has a shipped bundle
    values = values if isinstance(values, dict) else {}
    return {key: name for key in CHOICES if isinstance(name := values.get(key), str) and _NAME.fullmatch(name)}


def write_choice(folder: Path, **names: str | None) -> None:
    """Replace the chosen names atomically.

    Raises `Forbidden` or `StorageError`.
    """
    with convert_write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        # In a temporary folder: `folder` may belong to another user, who could have placed a link in it.
        with tempfile.TemporaryDirectory(dir=folder, prefix=".active-") as temporary:
            fresh = Path(temporary) / _FILE
            with fresh.open("w", encoding="utf-8") as file:
                file.write(dumps(names))
                file.flush()
                os.fsync(file.fileno())
            give_to_owner(fresh, folder)
            fresh.replace(folder / _FILE)


def give_to_owner(made: Path, folder: Path) -> None:
    """Change the owner of files that root made to that of the state folder.

    Otherwise the service could neither read nor remove them.
    """
    if os.geteuid() == 0:
        owner = folder.parent.stat()
        for path in (folder, made, *made.rglob("*")):
            with contextlib.suppress(OSError):  # on a file system without owners
                os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


@contextlib.contextmanager
def convert_write_errors(folder: Path) -> Iterator[None]:
    """Turn an `OSError` while writing into `Forbidden` or `StorageError`."""
    try:
        yield
    except OSError as exc:
        remedy = "run the command with sudo"
        raise from_os_error(
            exc, folder, action="written to", kind=StorageError, missing=StorageError, permission=remedy
        ) from exc
