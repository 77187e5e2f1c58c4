"""What is shipped, what it needs, and whether the documents tell the truth about it."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import packages_distributions, requires
from pathlib import Path

ROOT = Path(__file__).parents[2]
WHEEL_BYTES_MAX = 12_000_000


def declared(extra: str = "") -> set[str]:
    """Return the normalised names of what the package, or one of its extras, asks for."""
    lines = [line for line in requires("tocsin") or [] if (f'extra == "{extra}"' in line) == bool(extra)]
    plain = [line for line in lines if extra or "extra ==" not in line]
    return {re.split(r"[^A-Za-z0-9._-]", line)[0].lower().replace("_", "-") for line in plain}


def imported(folder: str) -> set[str]:
    """Return the distributions that the modules of a folder import by name."""
    names = set()
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module)
    tops = {name.partition(".")[0] for name in names} - set(sys.stdlib_module_names)
    owners = packages_distributions()
    found = {owners.get(top, [top])[0].lower().replace("_", "-") for top in tops}
    return found - {"tocsin", "edge", "training", "export"}


def test_a_device_gets_what_it_needs_and_no_more() -> None:
    """Every package that `edge` imports is declared, and every declared one is used."""
    # The last four come with FastAPI and pydantic, whose faces they are.
    needed = imported("edge") - {"starlette", "anyio", "pydantic-core", "typing-extensions"}
    assert declared() | {"tomli"} == needed | {"tomli"}


def test_tested_versions_are_those_of_a_device() -> None:
    """`deploy/constraints.txt` pins every need of a device, and nothing that only training or tests need."""
    lines = (ROOT / "deploy" / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {re.split("==", line)[0].lower().replace("_", "-") for line in lines if not line.startswith("#")}
    assert declared() - {"tomli"} <= pinned
    assert not pinned & (declared("dev") | declared("train")) - declared()


def test_a_device_gets_nothing_that_trains() -> None:
    """No deep-learning framework and no SciPy hides among a device's needs."""
    assert not declared() & {"torch", "onnx", "scipy", "librosa", "tqdm"}


def test_the_extra_has_what_training_and_export_import() -> None:
    """With `[train]` both run."""
    assert imported("training") | imported("export") <= declared() | declared("train") | {"tomli"}


def test_the_wheel_holds_edge_alone(tmp_path: Path) -> None:
    """Code, bundle, scene, schema, dashboard and licence are in it, tests and training are not."""
    source = tmp_path / "source"
    shutil.copytree(ROOT / "edge", source / "edge", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    build = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"
    subprocess.run([sys.executable, "-c", build, tmp_path], cwd=source, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("tocsin-*.whl")
    assert wheel.stat().st_size <= WHEEL_BYTES_MAX
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"edge", "tocsin"}
    for wanted in (
        "edge/py.typed",
        "edge/data/street.flac",
        "edge/data/ATTRIBUTION.md",
        "edge/models/city/model.onnx",
        "edge/models/city/MODEL_CARD.md",
        "edge/publish/event.schema.json",
        "edge/api/static/index.html",
    ):
        assert wanted in names
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_ci_is_the_same_command() -> None:
    """What the server runs is what the README says."""
    assert (ROOT / ".ci" / "run").read_text(encoding="utf-8") == "#!/bin/sh\nexec sh tests/run.sh\n"
