"""Sound files of an imported corpus, with unique names."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from training.data.imports.cut import RATE_HZ, hash_file, read_parts, read_rate, write_part
from training.data.imports.recording import slugify

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Row = dict[str, str]
"""A row of a manifest by its columns."""
_OF_A_CUT = ("file", "part", "duration_s", "rate")
_LONGEST_STEM = 40


class ClipFolder:
    """The sounds of one corpus below a folder: `audio`/CORPUS/STEM-DIGEST-PART.flac.

    The digest is of the corpus, the recording's name in it and its bytes. So names never collide, existing files are
    found again, and a changed recording has another name, which no cache confuses with the old one.
    """

    def __init__(self, out: Path, corpus: str, rows: Iterable[Row]) -> None:
        """Open the folder, with the rows of the corpus in its manifest."""
        self._out, self._corpus = out, corpus
        self._folder = f"audio/{slugify(corpus) or 'corpus'}"
        self._rows: defaultdict[str, list[Row]] = defaultdict(list)
        for row in rows:
            self._rows[row["name"]].append(row)
        (out / self._folder).mkdir(parents=True, exist_ok=True)

    def add(self, path: Path, name: str) -> list[Row]:
        """Cut a recording unless it exists; return the row of each part.

        A row has `file`, `part`, `duration_s` and `rate`. Raises `UnusableError` for a recording that cannot be used,
        `StorageError` when a part cannot be written.
        """
        digest = hashlib.sha256(f"{self._corpus}\n{name}\n{hash_file(path)}".encode()).hexdigest()[:16]
        stem = f"{self._folder}/{slugify(Path(name).stem)[:_LONGEST_STEM]}-{digest}"
        known = self._rows[name]
        if known and all(row["file"].startswith(stem) and (self._out / row["file"]).exists() for row in known):
            return [{column: row[column] for column in _OF_A_CUT} for row in known]
        return self._cut(path, stem)

    def _cut(self, path: Path, stem: str) -> list[Row]:
        cuts: list[Row] = []
        rate = str(read_rate(path))
        try:
            for part in read_parts(path):
                file, duration_s = f"{stem}-{part.number:03d}.flac", len(part.samples) / RATE_HZ
                cuts.append({"file": file, "part": str(part.number), "duration_s": f"{duration_s:.3f}", "rate": rate})
                write_part(self._out / file, part.samples)
        except BaseException:
            self._remove(cuts)
            raise
        return cuts

    def keep_only(self, rows: Sequence[Row]) -> None:
        """Remove the sounds of former rows that are not in `rows`."""
        kept = {row["file"] for row in rows}
        self._remove(row for known in self._rows.values() for row in known if row["file"] not in kept)

    def _remove(self, rows: Iterable[Row]) -> None:
        for row in rows:
            (self._out / row["file"]).unlink(missing_ok=True)
