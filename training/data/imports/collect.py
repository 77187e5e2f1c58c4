"""Import of a corpus: rows of a manifest, and sound files beside it."""

from __future__ import annotations

import csv
import dataclasses
import sys
from collections import Counter
from typing import TYPE_CHECKING

from tqdm import tqdm

from edge.errors import DataError
from training.data.csvfile import read_csv
from training.data.imports.clip_folder import ClipFolder
from training.data.imports.cut import UnusableError
from training.data.imports.recording import make_label
from training.data.manifest import MANIFEST, SEPARATOR, rename_labels

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from training.data.imports.clip_folder import Row
    from training.data.imports.recording import Recording

COLUMNS = (
    *("file", "class", "fine", "corpus", "origin", "group", "uploader"),
    *("fold", "part", "duration_s", "rate", "licence", "name"),
)


@dataclasses.dataclass(slots=True)
class ImportResult:
    """Result of an import."""

    rows: list[Row] = dataclasses.field(default_factory=list)
    """Rows of this corpus, one per clip."""
    skipped: int = 0
    """Recordings that cannot be used."""
    dropped: Counter[str] = dataclasses.field(default_factory=Counter)
    """Recordings that the class mapping leaves out, by their first label."""


def import_corpus(corpus: str, recordings: Sequence[Recording], out: Path, new_of: Mapping[str, str]) -> ImportResult:
    """Import the recordings of a corpus into the folder `out` and its manifest.csv.

    Rows of other corpora stay as they are, those of the same corpus are replaced, and a recording whose bytes have not
    changed is not cut again. `new_of` renames labels as `manifest.rename_labels` does; an empty one keeps them all.
    Unusable recordings are named on standard error and skipped. Raises `DataError` when nothing is left, when two
    labels would become one, or when the manifest has a corpus of this name from elsewhere, `OSError` when the disk is
    full.
    """
    columns, before = _read(out / MANIFEST)
    at = next((index for index, row in enumerate(before) if row["corpus"] == corpus), len(before))
    mine, others = ([row for row in before if (row["corpus"] == corpus) == own] for own in (True, False))
    if mine and {row["origin"] for row in mine}.isdisjoint(recording.origin for recording in recordings):
        msg = f"the manifest has another corpus {corpus}, from {mine[0]['origin']}"
        raise DataError(msg, where=out / MANIFEST, remedy="name this one by --corpus")
    folder = ClipFolder(out, corpus, mine)
    imported = _import_recordings(corpus, recordings, folder, new_of)
    if not imported.rows:
        unwanted = f"{imported.dropped.total()} are of classes that are not asked for"
        msg = f"there is nothing to import: {imported.skipped} recordings cannot be used, {unwanted}"
        raise DataError(msg, where=corpus)
    _write(out / MANIFEST, columns, others[:at] + imported.rows + others[at:])
    folder.keep_only(imported.rows)
    return imported


def _import_recordings(
    corpus: str, recordings: Sequence[Recording], folder: ClipFolder, new_of: Mapping[str, str]
) -> ImportResult:
    imported, labels = ImportResult(), _map_labels(recordings)
    there = _drop_absent_folders(recordings, imported)
    for recording in tqdm(there, desc=corpus, unit="recording", disable=None):
        names = [labels[name] for name in recording.labels]
        kept = rename_labels(names, new_of) if new_of else tuple(names)
        if names and not kept:
            imported.dropped[names[0]] += 1
            continue
        try:
            imported.rows.extend(_make_rows(corpus, recording, kept, folder))
        except UnusableError as exc:
            _print_warning(f"{recording.path}: {exc}")
            imported.skipped += 1
    return imported


def _make_rows(corpus: str, recording: Recording, kept: Sequence[str], folder: ClipFolder) -> list[Row]:
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
    return [{**shared, **cut} for cut in folder.add(recording.path, recording.name)]


def _map_labels(recordings: Sequence[Recording]) -> dict[str, str]:
    """Return the label of each of the corpus's own names."""
    labels: dict[str, str] = {}
    for name in sorted({name for recording in recordings for name in recording.labels}):
        label = make_label(name)
        if label in labels.values():
            other = next(key for key, value in labels.items() if value == label)
            msg = f"{other!r} and {name!r} would both become the label {label!r}"
            raise DataError(msg, remedy="rename one, or make them one")
        labels[name] = label
    return labels


def _drop_absent_folders(recordings: Sequence[Recording], imported: ImportResult) -> list[Recording]:
    """Drop the recordings in folders that do not exist, with one warning per folder.

    A corpus may be there in part.
    """
    absent = {folder for folder in {recording.path.parent for recording in recordings} if not folder.is_dir()}
    count = Counter(recording.path.parent for recording in recordings)
    for folder in sorted(absent):
        _print_warning(f"{folder}: is not there; the {count[folder]} recordings in it are left out")
        imported.skipped += count[folder]
    return [recording for recording in recordings if recording.path.parent not in absent]


def _print_warning(line: str) -> None:
    tqdm.write(line, file=sys.stderr)


def _read(path: Path) -> tuple[list[str], list[Row]]:
    """Return the columns and rows of a manifest.

    Without a file these are the usual columns and no rows.
    """
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
