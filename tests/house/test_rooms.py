"""Rooms and layers: agreement with the picture, and no import circle."""

from __future__ import annotations

import re
import sys
from graphlib import CycleError
from pathlib import Path

import pytest

from tests.support.imports import import_graph, layers, picture, room_graph

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
MODULES = import_graph(ROOT, "edge", "training", "export")
FLAT_MAX = {"edge": 7, "training": 4, "export": 4}


def test_there_is_no_import_circle() -> None:
    """Imports at run time and for types count."""
    layers(MODULES)


@pytest.mark.parametrize("typing", ["", "if TYPE_CHECKING:\n    ", "def later():\n    "])
def test_a_circle_of_any_kind_of_import_is_found(tmp_path: Path, typing: str) -> None:
    """It has three modules, and one of them is a package."""
    (tmp_path / "p" / "b").mkdir(parents=True)
    (tmp_path / "p" / "a.py").write_text("from p import b\n")
    (tmp_path / "p" / "b" / "__init__.py").write_text("import p.c\n")
    (tmp_path / "p" / "c.py").write_text(f"{typing}from p.a import x\n")
    with pytest.raises(CycleError, match=r"p\.a"):
        layers(import_graph(tmp_path, "p"))


def test_the_picture_in_the_readme_agrees_with_the_code() -> None:
    """An import that moves a room to another layer must change the picture."""
    text = (ROOT / "edge" / "README.md").read_text(encoding="utf-8")
    shown = re.search(r"<!-- layers -->\n```text\n(.*?)\n```\n<!-- /layers -->", text, flags=re.DOTALL)
    assert shown is not None
    assert shown.group(1) == picture(layers(room_graph(MODULES, "edge")))


def test_the_contract_has_the_layers_of_the_picture() -> None:
    """The linter then names the line of a wrong import."""
    linter = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    (contract,) = [contract for contract in linter["contracts"] if contract.get("containers") == ["edge"]]
    rows = [sorted(row.split(" | ")) for row in contract["layers"] if row != "__main__"]
    assert rows[::-1] == layers(room_graph(MODULES, "edge"))


@pytest.mark.parametrize(("package", "most"), FLAT_MAX.items())
def test_few_modules_are_outside_rooms(package: str, most: int) -> None:
    """The flat modules are the ground, which all rooms may use."""
    flat = {path.stem for path in (ROOT / package).glob("*.py")} - {"__init__", "__main__"}
    assert len(flat) <= most, flat
