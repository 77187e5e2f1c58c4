"""CSV files with a header: manifests, and the tables of corpora."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

from edge.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def read_csv(path: Path, columns: Iterable[str], remedy: str = "") -> tuple[list[str], list[dict[str, str]]]:
    """Return the header and the rows of a file, "" for a missing cell.

    Raises `DataError` for another file or one without one of `columns`, with `remedy` after the message, and `OSError`
    when it cannot be read.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restval="")
            found = list(reader.fieldnames or ())
            if missing := [name for name in columns if name not in found]:
                msg = f"column {', '.join(missing)} is missing"
                raise DataError(msg, where=path, remedy=remedy)
            return found, list(reader)
    except (csv.Error, UnicodeDecodeError) as exc:
        msg = f"the file is not CSV: {exc}"
        raise DataError(msg, where=path) from exc
