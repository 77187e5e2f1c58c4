"""The package: dependencies and content of the wheel."""

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


def list_declared(extra: str = "") -> set[str]:
    """Return the normalised names of the dependencies of the package or of an extra."""
    lines = [line for line in requires("tocsin") or [] if (f'extra == "{extra}"' in line) == bool(extra)]
    plain = [line for line in lines if extra or "extra ==" not in line]
    return {re.split(r"[^A-Za-z0-9._-]", line)[0].lower().replace("_", "-") for line in plain}


def list_imported(folder: str) -> set[str]:
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


def test_declared_dependencies_are_the_imported_ones() -> None:
    """Every package that `edge` imports is declared, and every declared one is used."""
    # These four come with FastAPI and pydantic, as parts of their interfaces.
    needed = list_imported("edge") - {"starlette", "anyio", "pydantic-core", "typing-extensions"}
    assert list_declared() | {"tomli"} == needed | {"tomli"}


def test_tested_versions_are_those_of_a_device() -> None:
    """`deploy/constraints.txt` pins every dependency of a device, and none of training or tests."""
    lines = (ROOT / "deploy" / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {re.split("==", line)[0].lower().replace("_", "-") for line in lines if not line.startswith("#")}
    assert list_declared() - {"tomli"} <= pinned
    assert not pinned & (list_declared("dev") | list_declared("train")) - list_declared()


def test_a_device_needs_no_training_framework() -> None:
    """Neither a deep-learning framework nor SciPy is a dependency of a device."""
    assert not list_declared() & {"torch", "onnx", "scipy", "librosa", "tqdm"}


def test_the_extra_has_the_imports_of_training_and_export() -> None:
    """Both run with `[train]`."""
    assert list_imported("training") | list_imported("export") <= list_declared() | list_declared("train") | {"tomli"}


def test_the_wheel_contains_only_edge(tmp_path: Path) -> None:
    """Code, bundle, scene, schema, dashboard and licence are in it; tests and training are not."""
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
    """The server runs the command of the README."""
    assert (ROOT / ".ci" / "run").read_text(encoding="utf-8") == "#!/bin/sh\nexec sh tests/run.sh\n"
