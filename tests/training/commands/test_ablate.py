"""`python -m training ablate`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.runs import QUICK, RECIPE
from training.__main__ import main

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_no_seeds_are_refused(places: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An ablation of no runs would print an empty table."""
    command = ["ablate", "--config", str(RECIPE), "--out", str(tmp_path), "--seeds", "0", *places]
    assert main(command) == 64
    assert "--seeds: 0" in capsys.readouterr().err


def test_an_ablation_names_what_it_left_out(
    places: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The table has the recipe and the requested variant."""
    command = ["ablate", "--config", str(RECIPE), "--out", str(tmp_path), "--without", "mixup", *QUICK, *places]
    assert main(command) == 0
    out = capsys.readouterr().out
    assert "recipe" in out
    assert "mixup" in out
