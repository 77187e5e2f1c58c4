"""Retries of a lost source: waiting times, and the gate for microphones."""

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
    """The upper bound doubles up to the cap; a reset returns to the first one."""
    backoff = Backoff(3.0, draw=lambda low, high: high)
    assert [backoff.next_s() for _ in range(5)] == [0.5, 1.0, 2.0, 3.0, 3.0]
    backoff.reset()
    assert backoff.next_s() == 0.5


def test_a_year_of_tries_does_not_overflow() -> None:
    """The wait is finite after thousands of attempts."""
    backoff = Backoff(30.0, draw=lambda low, high: high)
    assert {backoff.next_s() for _ in range(5_000)} >= {30.0}


def test_the_jitter_is_full() -> None:
    """Waits are spread from zero to the bound, so that many nodes do not return at once."""
    random.seed(1)
    waits = []
    for _ in range(400):
        backoff = Backoff(8.0, first_s=8.0)
        waits.append(backoff.next_s())
    assert min(waits) < 0.5
    assert max(waits) > 7.5
    assert 3.5 < sum(waits) / len(waits) < 4.5


def test_tries_are_rare_while_nothing_changes() -> None:
    """After half a minute, one attempt in ten seconds; after a change, attempts are frequent again."""
    seen = ["nothing"]
    gate = RetryGate(lambda: tuple(seen))
    assert all(gate.allows(float(now)) for now in range(31))
    assert [now for now in range(31, 62) if gate.allows(float(now))] == [40, 50, 60]
    seen[0] = "a card"
    assert all(gate.allows(float(now)) for now in range(62, 90))


def test_attempts_are_frequent_after_a_loss() -> None:
    """An hour of sound before the loss does not make the first attempts rare."""
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
def test_a_sound_server_changes_the_state(variable: str, value: str, socket: str, tmp_path: Path) -> None:
    """The start and the restart of a sound server change the state, through its socket."""
    env = {variable: value.format(tmp_path)}
    path = tmp_path / socket
    path.parent.mkdir(exist_ok=True)
    before = read_sound_system(env)
    path.touch()
    first = read_sound_system(env)
    os.utime(path, (1, 1))
    assert len({before, first, read_sound_system(env)}) == 3
