"""Fixtures: a private PulseAudio, and runners with collected blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.audio.listener import Listener
from tests.support.pulse import Pulse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def pulse(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pulse]:
    """Start a PulseAudio as the default sound system of the test."""
    with Pulse() as daemon:
        for name, value in daemon.env.items():
            monkeypatch.setenv(name, value)
        yield daemon


@pytest.fixture
def listen() -> Iterator[Callable[..., Listener]]:
    """Return a function that starts a runner for a spec; all are stopped at the end of the test."""
    listeners: list[Listener] = []

    def start(spec: str, **options: object) -> Listener:
        listeners.append(Listener(spec, **options))
        listeners[-1].runner.start()
        return listeners[-1]

    yield start
    for listener in listeners:
        listener.runner.stop()
