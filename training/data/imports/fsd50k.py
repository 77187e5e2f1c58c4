"""FSD50K (Fonseca et al., "FSD50K: an open dataset of human-labeled sound events", 2022)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from edge.errors import DataError
from training.data.csvfile import read_csv
from training.data.imports.recording import Recording, find_home

if TYPE_CHECKING:
    from pathlib import Path

_TRUTH = "FSD50K.ground_truth"
_LICENCE = "CC BY 4.0 as a collection; a clip is CC0, CC BY, CC BY-NC or CC Sampling+"


def list_recordings(source: Path) -> list[Recording]:
    """List the clips of both parts, with all labels, the more general ones last.

    A clip is a group. `fold` is the published division: `train` and `val` of the part dev, and `eval`. Uploaders and
    licences are in FSD50K.metadata; without that folder they stay unknown. Raises `DataError` for a table without its
    columns, `OSError` when a table does not exist.
    """
    home = find_home(source, _TRUTH)
    dev = [_make_recording(home, "dev", row, row["split"]) for row in _read_rows(home, "dev", ("split",))]
    return dev + [_make_recording(home, "eval", row, "eval") for row in _read_rows(home, "eval", ())]


def _read_rows(home: Path, part: str, more: tuple[str, ...]) -> list[dict[str, Any]]:
    """Read the rows of a part, each with the metadata of its clip as `about`."""
    about_path = home / "FSD50K.metadata" / f"{part}_clips_info_FSD50K.json"
    about = _read_json(about_path) if about_path.exists() else {}
    rows = read_csv(home / _TRUTH / f"{part}.csv", ("fname", "labels", *more))[1]
    return [{**row, "about": about.get(row["fname"], {})} for row in rows]


def _read_json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text("utf-8"))
    except ValueError as exc:
        msg = f"the file is not JSON: {exc}"
        raise DataError(msg, where=path) from exc
    return dict(values)


def _make_recording(home: Path, part: str, row: dict[str, Any], fold: str) -> Recording:
    return Recording(
        path=home / f"FSD50K.{part}_audio" / f"{row['fname']}.wav",
        name=f"{part}/{row['fname']}.wav",
        labels=tuple(row["labels"].split(",")),
        group=f"freesound:{row['fname']}",
        origin=f"FSD50K {part} (Freesound {row['fname']})",
        licence=str(row["about"].get("license", _LICENCE)),
        uploader=str(row["about"].get("uploader", "")),
        fold=fold,
    )
