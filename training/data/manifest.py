"""The manifest: one row per clip, with one or several labels."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from edge.errors import ConfigError, DataError, suggest
from training.data.csvfile import read_csv

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

MANIFEST = "manifest.csv"
SEPARATOR = ";"
"""Separator of the labels of a clip in the column `class`."""
EVERYTHING_ELSE = "*"
"""Key of a class mapping for clips without a mapped label."""
_COLUMNS = {"file", "class", "corpus", "group", "uploader", "licence", "name", "duration_s"}
_FILLED = ("file", "group", "duration_s")


@dataclasses.dataclass(frozen=True, slots=True)
class Clip:
    """A recording, or a part of one."""

    index: int
    """Row of the manifest, from 0; key of teachers and caches."""
    file: str
    """Path below the manifest's folder."""
    label: str
    """The first class, used for division and drawing; empty if unknown."""
    corpus: str
    group: str
    """Shared by clips of one recording or session."""
    uploader: str
    """The person who published it; empty if unknown."""
    licence: str
    name: str
    """File name in its corpus."""
    duration_s: float
    fine: str = ""
    """The corpus's own label, if the manifest has it."""
    others: tuple[str, ...] = ()
    """Further classes audible in it."""
    fold: str = ""
    """The corpus's own fold, if it has one."""

    @property
    def labels(self) -> tuple[str, ...]:
        """All classes, `label` first; empty if unknown."""
        return (self.label, *self.others) if self.label else ()


def read_manifest(folder: Path) -> list[Clip]:
    """Read `folder`/manifest.csv.

    Raises `DataError` when columns are missing or a row cannot be used, `OSError` when there is no such file.
    """
    path = folder / MANIFEST
    return [_parse_clip(path, index, row) for index, row in enumerate(read_csv(path, sorted(_COLUMNS))[1])]


def _parse_clip(path: Path, index: int, row: Mapping[str, str]) -> Clip:
    label, *others = split_labels(row["class"]) or ("",)
    if empty := [name for name in _FILLED if not row[name]]:
        msg = f"{empty[0]} is empty"
        raise DataError(msg, where=f"{path}: clip {index + 1} ({row['file'] or 'no file'})")
    try:
        duration_s = float(row["duration_s"])
    except ValueError as exc:
        msg = f"duration_s is {row['duration_s']!r}, not a number"
        raise DataError(msg, where=f"{path}: clip {index + 1} ({row['file']})") from exc
    return Clip(
        index=index,
        file=row["file"],
        label=label,
        corpus=row["corpus"],
        group=row["group"],
        uploader=row["uploader"],
        licence=row["licence"],
        name=row["name"],
        duration_s=duration_s,
        fine=row.get("fine", ""),
        others=tuple(others),
        fold=row.get("fold", ""),
    )


def split_labels(text: str) -> tuple[str, ...]:
    """Split a cell of the column `class` into its labels, without repeats."""
    return tuple(dict.fromkeys(name for part in text.split(SEPARATOR) if (name := part.strip())))


def collect_labels(clips: Iterable[Clip]) -> tuple[str, ...]:
    """Return the classes of the clips, sorted: the order of a network's outputs."""
    return tuple(sorted({label for clip in clips for label in clip.labels}))


def invert_mapping(mapping: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Invert a class mapping of new name → old names.

    Raises `ConfigError` for an old name under two new ones, and for a new name that a manifest cannot hold.
    """
    new_of: dict[str, str] = {}
    for new, olds in mapping.items():
        if not new.strip() or SEPARATOR in new:
            msg = f"{new!r} cannot be the name of a class"
            raise ConfigError(msg, where="classes")
        for old in olds:
            if new_of.setdefault(old, new) != new:
                msg = f"{old} stands under {new_of[old]} and under {new}"
                raise ConfigError(msg, where="classes")
    return new_of


def rename_labels(labels: Sequence[str], new_of: Mapping[str, str]) -> tuple[str, ...]:
    """Return the new names of a clip's labels, without repeats.

    Labels that `new_of` does not name are dropped. A clip without a named label gets the new name of `EVERYTHING_ELSE`,
    if there is one.
    """
    kept = [new_of[label] for label in labels if label in new_of]
    if not kept and labels and EVERYTHING_ELSE in new_of:
        kept = [new_of[EVERYTHING_ELSE]]
    return tuple(dict.fromkeys(kept))


def map_classes(clips: Iterable[Clip], mapping: Mapping[str, Sequence[str]]) -> list[Clip]:
    """Rename the classes of clips by a mapping of new name → old names.

    An empty mapping changes nothing. A clip without a named class keeps its row and loses its label, so it takes no
    part. Raises `ConfigError` for an old name that no clip has.
    """
    clips = list(clips)
    if not mapping:
        return clips
    new_of, known = invert_mapping(mapping), collect_labels(clips)
    if unknown := sorted(set(new_of) - set(known) - {EVERYTHING_ELSE}):
        msg = f"the recordings have no {', '.join(unknown)}"
        raise ConfigError(msg, where="classes", remedy=suggest(unknown[0], list(known)))
    changed = []
    for clip in clips:
        label, *others = rename_labels(clip.labels, new_of) or ("",)
        changed.append(dataclasses.replace(clip, label=label, others=tuple(others)))
    return changed
