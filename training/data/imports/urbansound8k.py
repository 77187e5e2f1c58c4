"""UrbanSound8K (Salamon, Jacoby & Bello, 2014)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from training.data.csvfile import read_csv
from training.data.imports.recording import Recording, find_home

if TYPE_CHECKING:
    from pathlib import Path

_TABLE = "metadata/UrbanSound8K.csv"
_COLUMNS = ("class", "fold", "fsID", "slice_file_name")


def list_recordings(source: Path) -> list[Recording]:
    """List the slices of UrbanSound8K.

    Slices of one Freesound recording are a group; `fold` is the published one, 1 to 10. Raises `DataError` for a table
    without its columns, `OSError` when it does not exist.
    """
    home = find_home(source, _TABLE)
    return [
        Recording(
            path=home / "audio" / f"fold{row['fold']}" / row["slice_file_name"],
            name=row["slice_file_name"],
            labels=(row["class"],),
            group=f"freesound:{row['fsID']}",
            origin=f"UrbanSound8K fold {row['fold']} (Freesound {row['fsID']})",
            licence="CC BY-NC 3.0",
            fold=row["fold"],
        )
        for row in read_csv(home / _TABLE, _COLUMNS)[1]
    ]
