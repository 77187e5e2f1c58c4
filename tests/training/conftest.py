"""Fixtures of several rooms of training: recordings of two corpora."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import pytest

from tests.support.recordings import made_up

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(name="data", scope="session")
def _data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return synthetic recordings of two corpora, the second with its own folds and labels."""
    folder = made_up(tmp_path_factory.mktemp("data"))
    path = folder / "manifest.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    rows += [row | {"group": f"again {row['group']}"} for row in rows]
    for number, row in enumerate(rows):
        first = number < len(rows) // 2
        row |= {"corpus": "one" if first else "two", "fold": "" if first else str(number // 4 % 2 + 1)}
        row["fine"] = f"{row['class']} of {row['corpus']}"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return folder


@pytest.fixture(name="places", scope="session")
def _places(data: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return ["--data", str(data), "--cache", str(tmp_path_factory.mktemp("cache"))]
