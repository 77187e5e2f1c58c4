"""The manifest: one row a clip."""

from __future__ import annotations

import csv
import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_COLUMNS = {"file", "class", "corpus", "group", "uploader", "licence", "name", "duration_s"}


@dataclasses.dataclass(frozen=True, slots=True)
class Clip:
    """A recording, or a cut of one."""

    index: int
    """Row of the manifest, from 0: teachers and caches are keyed by it."""
    file: str
    """Path below the manifest's folder."""
    label: str
    """Class; empty when nobody is sure."""
    corpus: str
    group: str
    """Clips of one recording or session share it."""
    uploader: str
    """Who put it online; empty when unknown."""
    licence: str
    name: str
    """File name in its corpus."""
    duration_s: float
    fine: str = ""
    """The corpus's own label, where the manifest has it."""


def read_manifest(folder: Path) -> list[Clip]:
    """Read `folder`/manifest.csv.

    Raises `ValueError` when columns are missing, `OSError` when there is no such file.
    """
    path = folder / "manifest.csv"
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        if missing := sorted(_COLUMNS - set(reader.fieldnames or ())):
            msg = f"{path}: column {', '.join(missing)} is missing"
            raise ValueError(msg)
        return [
            Clip(
                index=index,
                file=row["file"],
                label=row["class"],
                corpus=row["corpus"],
                group=row["group"],
                uploader=row["uploader"],
                licence=row["licence"],
                name=row["name"],
                duration_s=float(row["duration_s"]),
                fine=row.get("fine") or "",
            )
            for index, row in enumerate(reader)
        ]


def labels_of(clips: Iterable[Clip]) -> tuple[str, ...]:
    """Return the classes of the clips, sorted: the order of a network's outputs."""
    return tuple(sorted({clip.label for clip in clips if clip.label}))
