"""`python -m training kfold`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.support.recordings import LABELS
from tests.support.runs import QUICK, RECIPE
from training.__main__ import main

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("division", [["--folds", "2"], ["--corpora", "2"], ["--published", "two"]])
def test_folds_are_trained_measured_and_reported(
    data: Path, places: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], division: list[str]
) -> None:
    """Every clip is scored by a network that was not trained on it, and a second call trains nothing."""
    behind = ["--set", f"data.background={list(LABELS)}"]
    command = ["kfold", "--config", str(RECIPE), "--out", str(tmp_path), *QUICK, *behind, *division, *places]
    assert main(command) == 0
    figures = json.loads((tmp_path / "figures.json").read_text("utf-8"))
    count = 32 if division[0] == "--published" else 64
    assert sum(fold["clips"] for fold in figures["folds"]) == figures["summary"]["clips"] == count
    assert len(figures["folds"]) == 2
    assert "siren" in capsys.readouterr().out
    assert "<html" in (tmp_path / "report.html").read_text("utf-8")
    before = (tmp_path / "fold-1" / "last.pt").stat().st_mtime_ns
    assert main(command) == 0
    assert (tmp_path / "fold-1" / "last.pt").stat().st_mtime_ns == before
