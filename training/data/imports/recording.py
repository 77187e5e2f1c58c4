"""A recording of a corpus, and functions shared by the layouts."""

from __future__ import annotations

import dataclasses
import re
import unicodedata
from typing import TYPE_CHECKING

from edge.errors import DataError, InputMissing

if TYPE_CHECKING:
    from pathlib import Path

_NOT_PLAIN = re.compile(r"[^a-z0-9]+")


@dataclasses.dataclass(frozen=True, slots=True)
class Recording:
    """A file of a corpus, as the corpus describes it."""

    path: Path
    name: str
    """Unique name in the corpus."""
    labels: tuple[str, ...]
    """The corpus's own labels, the most specific first."""
    group: str
    """Shared by parts of one recording or session, also across corpora."""
    origin: str
    licence: str
    uploader: str = ""
    fold: str = ""


def slugify(text: str) -> str:
    """Return text in lower-case ASCII letters, digits and underscores.

    The result is empty when nothing is left.
    """
    ascii_only = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return _NOT_PLAIN.sub("_", ascii_only).strip("_")


def make_label(text: str) -> str:
    """Return text as a label, as used in topics and keys.

    Raises `DataError` when nothing is left of it.
    """
    label = slugify(text)
    if not label:
        msg = f"{text!r} cannot be a label, because it has no Latin letter or digit"
        raise DataError(msg, remedy="rename it")
    return label


def find_home(source: Path, marker: str) -> Path:
    """Return the folder that holds `marker`.

    That is `source`, or the one folder in it that holds it, as after unpacking an archive. Raises `InputMissing`
    without one.
    """
    for home in (source, *sorted(child for child in source.iterdir() if child.is_dir())):
        if (home / marker).exists():
            return home
    msg = f"the folder has no {marker}"
    raise InputMissing(msg, where=source, remedy="name the folder of that corpus")
