"""`python -m training report`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.support.runs import QUICK, RECIPE
from training.__main__ import main

if TYPE_CHECKING:
    from pathlib import Path


def test_a_report_is_made_of_a_checkpoint(places: list[str], tmp_path: Path) -> None:
    """The page and its figures lie in the folder, and the page asks for nothing from outside."""
    train = ["train", "--config", str(RECIPE), "--out", str(tmp_path), *QUICK, *places]
    assert main(train) == 0
    assert main(["report", str(tmp_path / "last.pt"), str(tmp_path / "report"), *places]) == 0
    page = (tmp_path / "report" / "report.html").read_text("utf-8")
    assert 'src="http' not in page
    assert json.loads((tmp_path / "report" / "figures.json").read_text("utf-8"))["summary"]["clips"] > 0
