"""Privacy: no unrequested network access, and no unrequested file."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from edge.data import street_path
from tests.support.node import RunningNode
from tests.support.recordings import made_up
from tests.support.spy import Spy

ROOT = Path(__file__).parents[2]
PACKAGES = ("edge", "training", "export")
RECIPE = ROOT / "tests" / "support" / "small.toml"
WINDOWS = 24
"""Windows of a run: in three seconds, a library with telemetry has looked up its server."""

pytestmark = pytest.mark.compiler


@pytest.fixture
def spy(tmp_path: Path) -> Spy:
    return Spy(tmp_path / "spy")


def test_the_spy_sees_every_access(spy: Spy) -> None:
    """It sees look-ups, addresses and files, also of child processes."""
    script = """
import pathlib, socket, subprocess, sys
try: socket.getaddrinfo("elsewhere.example", 443)
except socket.gaierror: pass
link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
link.connect(("192.0.2.1", 9))
link.connect(("127.0.0.1", 9))
subprocess.run([sys.executable, "-c", "open('left', 'w')"], check=True, cwd=pathlib.Path.home())
"""
    assert spy.run("-c", script).returncode == 0
    left = f"wrote {spy.home / 'left'}"
    assert spy.reached().beyond() == ["looked up elsewhere.example", "spoke to 192.0.2.1 9", left]
    assert spy.reached().beyond(spy.home, hosts=["elsewhere.example", "192.0.2.1 9"]) == []


def test_classification_accesses_nothing_else(spy: Spy) -> None:
    """No name is looked up, no address contacted, no file written."""
    answer = spy.run("-m", "edge", "classify", street_path())
    assert answer.returncode == 0, answer.stderr
    assert spy.reached().beyond() == []


def test_a_node_without_a_broker_only_writes_its_state(spy: Spy, tmp_path: Path) -> None:
    """All its files are in its state folder, and it contacts no address."""
    with RunningNode(tmp_path, f"file:{street_path()}?loop=1&speed=8", only_env=spy.env) as node:
        node.wait_for_windows(WINDOWS)
        node.get("/events")
    assert spy.reached().beyond(tmp_path / "state") == []


@pytest.mark.timeout(240)
def test_every_module_that_loads_onnx_runtime_disables_its_telemetry(spy: Spy) -> None:
    """Each module may be the first import."""
    loading = [path for folder in PACKAGES for path in (ROOT / folder).rglob("*.py") if "onnxruntime" in _imports(path)]
    assert len(loading) > 1
    for path in loading:
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        answer = spy.run("-c", f"import {module}", cwd=ROOT)
        assert answer.returncode == 0, answer.stderr
        assert spy.reached().beyond() == [], module


def _imports(path: Path) -> set[str]:
    """Return the packages that a module imports."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    return {name.partition(".")[0] for name in names}


@pytest.mark.timeout(240)
def test_training_and_export_write_to_the_given_folders(spy: Spy, tmp_path: Path) -> None:
    """They write features, checkpoint and bundle there, and contact no address."""
    out, data, cache = tmp_path / "out", tmp_path / "data", tmp_path / "cache"
    data.mkdir()
    made_up(data)
    places = ("--data", data, "--cache", cache)
    train = ("train", "--config", RECIPE, "--set", "train.steps=4", "--set", "train.validate_every=4")
    for command in (
        ("-m", "training", *train, "--out", out / "run", *places),
        ("-m", "export", "bundle", out / "run" / "last.pt", "--id", "small", "--out", out / "bundle", *places),
    ):
        answer = spy.run(*command, cwd=ROOT)
        assert answer.returncode == 0, answer.stderr
    assert spy.reached().beyond(out, data, cache, spy.temporary) == []
