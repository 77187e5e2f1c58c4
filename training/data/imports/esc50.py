"""ESC-50 and ESC-10 (Piczak, "ESC: Dataset for environmental sound classification", 2015)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from training.data.csvfile import read_csv
from training.data.imports.recording import Recording, find_home

if TYPE_CHECKING:
    from pathlib import Path

_TABLE = "meta/esc50.csv"
_COLUMNS = ("category", "esc10", "filename", "fold", "src_file")


def list_recordings(source: Path) -> list[Recording]:
    """List the clips of ESC-50.

    Clips of one Freesound recording are a group; `fold` is the published one, 1 to 5. Raises `DataError` for a table
    without its columns, `OSError` when it does not exist.
    """
    home = find_home(source, _TABLE)
    return [_make_recording(home, row) for row in read_csv(home / _TABLE, _COLUMNS)[1]]


def list_esc10_recordings(source: Path) -> list[Recording]:
    """List the clips of the ten classes of ESC-10, as `list_recordings` does."""
    home = find_home(source, _TABLE)
    return [_make_recording(home, row) for row in read_csv(home / _TABLE, _COLUMNS)[1] if row["esc10"] == "True"]


def _make_recording(home: Path, row: dict[str, str]) -> Recording:
    return Recording(
        path=home / "audio" / row["filename"],
        name=row["filename"],
        labels=(row["category"],),
        group=f"freesound:{row['src_file']}",
        origin=f"ESC-50 fold {row['fold']} (Freesound {row['src_file']})",
        licence="CC BY 3.0" if row["esc10"] == "True" else "CC BY-NC 3.0",
        fold=row["fold"],
    )
