"""When a lost source is tried again, and when it is not worth it."""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING

import pytest

from edge.audio.sources.hotplug import RetryGate, read_sound_system
from edge.backoff import Backoff

if TYPE_CHECKING:
    from pathlib import Path


def test_waits_double_up_to_the_cap() -> None:
    """The bounds of the waiting times grow and stay at the cap; a reset begins anew."""
    backoff = Backoff(3.0, draw=lambda low, high: high)
    assert [backoff.next_s() for _ in range(5)] == [0.5, 1.0, 2.0, 3.0, 3.0]
    backoff.reset()
    assert backoff.next_s() == 0.5


def test_a_year_of_tries_does_not_overflow() -> None:
    """The wait stays finite however often it was tried."""
    backoff = Backoff(30.0, draw=lambda low, high: high)
    assert {backoff.next_s() for _ in range(5_000)} >= {30.0}


def test_the_jitter_is_full() -> None:
    """Waits spread from nothing to the bound, so that many nodes do not come back at once."""
    random.seed(1)
    waits = []
    for _ in range(400):
        backoff = Backoff(8.0, first_s=8.0)
        waits.append(backoff.next_s())
    assert min(waits) < 0.5
    assert max(waits) > 7.5
    assert 3.5 < sum(waits) / len(waits) < 4.5


def test_tries_are_rare_while_nothing_changes() -> None:
    """After half a minute of eagerness, one try in ten seconds; a change makes it eager again."""
    seen = ["nothing"]
    gate = RetryGate(lambda: tuple(seen))
    assert all(gate.allows(float(now)) for now in range(31))
    assert [now for now in range(31, 62) if gate.allows(float(now))] == [40, 50, 60]
    seen[0] = "a card"
    assert all(gate.allows(float(now)) for now in range(62, 90))


def test_a_microphone_that_was_there_is_sought_eagerly_again() -> None:
    """The hour of sound before a loss does not make the first tries rare."""
    gate = RetryGate(lambda: ("same",))
    gate.allows(0.0)
    gate.reset()
    assert all(gate.allows(3600.0 + now) for now in range(30))


@pytest.mark.parametrize(
    ("variable", "value", "socket"),
    [
        ("PULSE_SERVER", "unix:{}/native", "native"),
        ("PULSE_RUNTIME_PATH", "{}", "native"),
        ("XDG_RUNTIME_DIR", "{}", "pulse/native"),
        ("XDG_RUNTIME_DIR", "{}", "pipewire-0"),
    ],
)
def test_a_sound_server_leaves_traces(variable: str, value: str, socket: str, tmp_path: Path) -> None:
    """A server that starts, and one that starts again, are seen by their sockets."""
    env = {variable: value.format(tmp_path)}
    path = tmp_path / socket
    path.parent.mkdir(exist_ok=True)
    before = read_sound_system(env)
    path.touch()
    first = read_sound_system(env)
    os.utime(path, (1, 1))
    assert len({before, first, read_sound_system(env)}) == 3
