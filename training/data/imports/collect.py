"""A corpus becomes rows of a manifest, and sounds beside it."""

from __future__ import annotations

import csv
import dataclasses
import sys
from collections import Counter
from typing import TYPE_CHECKING

from tqdm import tqdm

from edge.errors import DataError
from training.data.csvfile import read_csv
from training.data.imports.cut import UnusableError
from training.data.imports.recording import label_of
from training.data.imports.shelf import Shelf
from training.data.manifest import MANIFEST, SEPARATOR, renamed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from training.data.imports.recording import Recording
    from training.data.imports.shelf import Row

COLUMNS = (
    *("file", "class", "fine", "corpus", "origin", "group", "uploader"),
    *("fold", "part", "duration_s", "rate", "licence", "name"),
)


@dataclasses.dataclass(slots=True)
class Imported:
    """What an import came to."""

    rows: list[Row] = dataclasses.field(default_factory=list)
    """Of this corpus, a row a clip."""
    skipped: int = 0
    """Recordings that cannot be used."""
    dropped: Counter[str] = dataclasses.field(default_factory=Counter)
    """Recordings that the class mapping leaves out, by their first label."""


def collect(corpus: str, recordings: Sequence[Recording], out: Path, new_of: Mapping[str, str]) -> Imported:
    """Bring the recordings of a corpus into the folder `out`, and list them in its manifest.csv.

    Rows of other corpora stay as they are, those of the same corpus are replaced, and a recording whose bytes have not
    changed is not cut again. `new_of` renames labels as `manifest.renamed` does; an empty one keeps them all. What
    cannot be used is named on standard error and skipped. Raises `DataError` when nothing is left, when two labels
    would become one, or when the manifest has a corpus of this name from elsewhere, `OSError` for want of disk.
    """
    columns, before = _read(out / MANIFEST)
    at = next((index for index, row in enumerate(before) if row["corpus"] == corpus), len(before))
    mine, others = ([row for row in before if (row["corpus"] == corpus) == own] for own in (True, False))
    if mine and {row["origin"] for row in mine}.isdisjoint(recording.origin for recording in recordings):
        msg = f"the manifest has another corpus {corpus}, from {mine[0]['origin']}"
        raise DataError(msg, where=out / MANIFEST, remedy="name this one by --corpus")
    shelf = Shelf(out, corpus, mine)
    imported = _import(corpus, recordings, shelf, new_of)
    if not imported.rows:
        unwanted = f"{imported.dropped.total()} are of classes that are not asked for"
        msg = f"there is nothing to import: {imported.skipped} recordings cannot be used, {unwanted}"
        raise DataError(msg, where=corpus)
    _write(out / MANIFEST, columns, others[:at] + imported.rows + others[at:])
    shelf.keep_only(imported.rows)
    return imported


def _import(corpus: str, recordings: Sequence[Recording], shelf: Shelf, new_of: Mapping[str, str]) -> Imported:
    imported, labels = Imported(), _labels(recordings)
    there = _without_absent_folders(recordings, imported)
    for recording in tqdm(there, desc=corpus, unit="recording", disable=None):
        names = [labels[name] for name in recording.labels]
        kept = renamed(names, new_of) if new_of else tuple(names)
        if names and not kept:
            imported.dropped[names[0]] += 1
            continue
        try:
            imported.rows.extend(_rows(corpus, recording, kept, shelf))
        except UnusableError as exc:
            _say(f"{recording.path}: {exc}")
            imported.skipped += 1
    return imported


def _rows(corpus: str, recording: Recording, kept: Sequence[str], shelf: Shelf) -> list[Row]:
    if not kept:
        msg = "it has no label"
        raise UnusableError(msg)
    shared = {
        "class": SEPARATOR.join(kept),
        "fine": SEPARATOR.join(recording.labels),
        "corpus": corpus,
        "origin": recording.origin,
        "group": recording.group,
        "uploader": recording.uploader,
        "fold": recording.fold,
        "licence": recording.licence,
        "name": recording.name,
    }
    return [{**shared, **cut} for cut in shelf.put(recording.path, recording.name)]


def _labels(recordings: Sequence[Recording]) -> dict[str, str]:
    """Return the label of each of the corpus's own names."""
    labels: dict[str, str] = {}
    for name in sorted({name for recording in recordings for name in recording.labels}):
        label = label_of(name)
        if label in labels.values():
            other = next(key for key, value in labels.items() if value == label)
            msg = f"{other!r} and {name!r} would both become the label {label!r}"
            raise DataError(msg, remedy="rename one, or make them one")
        labels[name] = label
    return labels


def _without_absent_folders(recordings: Sequence[Recording], imported: Imported) -> list[Recording]:
    """Leave out what lies in folders that are not there, with one line a folder: a corpus may be there in part."""
    absent = {folder for folder in {recording.path.parent for recording in recordings} if not folder.is_dir()}
    count = Counter(recording.path.parent for recording in recordings)
    for folder in sorted(absent):
        _say(f"{folder}: is not there; the {count[folder]} recordings in it are left out")
        imported.skipped += count[folder]
    return [recording for recording in recordings if recording.path.parent not in absent]


def _say(line: str) -> None:
    tqdm.write(line, file=sys.stderr)


def _read(path: Path) -> tuple[list[str], list[Row]]:
    """Return the columns and rows of a manifest; the usual columns and no rows when there is none."""
    if not path.exists():
        return list(COLUMNS), []
    return read_csv(path, COLUMNS, "choose another folder to import into")


def _write(path: Path, columns: Sequence[str], rows: Sequence[Row]) -> None:
    part = path.with_suffix(".part")
    with part.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    part.replace(path)
