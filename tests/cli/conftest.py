"""Fixtures: the `tocsin` command in a home of its own, and recordings."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pytest
import soundfile as sf

from edge.cli import installed
from edge.data import street_path

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

HORN_S = (37.0, 42.0)
"""Span of the street scene with a horn, in seconds."""


class Tocsin(Protocol):
    """A function that runs the command line to its end."""

    def __call__(
        self, *arguments: object, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]: ...


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """Return an environment without settings and with a state folder of the test."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
    state = {"XDG_STATE_HOME": str(tmp_path / "state"), "STATE_DIRECTORY": str(tmp_path / "state" / "tocsin")}
    return {**env, **state, "HOME": str(tmp_path), "COLUMNS": "200"}


@pytest.fixture(autouse=True)
def _no_service(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide a service that is installed on this machine."""
    monkeypatch.setattr(installed, "UNITS", ())


@pytest.fixture
def tocsin(home: dict[str, str]) -> Tocsin:
    def run(*arguments: object, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "edge", *map(str, arguments)],
            env={**home, **(env or {})},
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=60,
            check=False,
        )

    return run


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def horn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a few seconds of street with a horn in it."""
    samples, rate_hz = sf.read(street_path(), dtype="float32")
    path = tmp_path_factory.mktemp("sound") / "horn.wav"
    sf.write(path, samples[round(HORN_S[0] * rate_hz) : round(HORN_S[1] * rate_hz)], rate_hz)
    return path


@pytest.fixture
def silence(tmp_path: Path) -> Path:
    """Return two seconds of digital silence."""
    path = tmp_path / "silence.wav"
    sf.write(path, np.zeros(32_000, np.float32), 16_000)
    return path
