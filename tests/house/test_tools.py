"""Tools over the whole checkout: style, types, imports and spelling."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "command",
    [
        ["ruff", "check", "--no-fix"],
        ["ruff", "format", "--check"],
        ["mypy"],
        ["lint-imports", "--no-logo"],
        ["codespell", "edge", "training", "export", "tests", "deploy", ".github", "README.md", "CHANGELOG.md"],
    ],
    ids=" ".join,
)
def test_tool_reports_no_problem(command: list[str]) -> None:
    """Style, format, types, imports and spelling agree with pyproject.toml."""
    path = os.pathsep.join((str(BIN), os.environ.get("PATH", "")))
    answer = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
