"""What systemd is told, over a real socket."""

from __future__ import annotations

import os
import socket
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from edge import systemd

if TYPE_CHECKING:
    from ctypes import Array, c_char
    from pathlib import Path


_CLOCKS = [(0, False, True), (5, True, False), (-1, True, True), (-1, False, False)]


@pytest.mark.parametrize("abstract", [False, True])
def test_a_state_arrives_at_the_managers_socket(
    abstract: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By path, or in the abstract namespace of containers."""
    name = f"@tocsin-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(name.replace("@", "\0"))
        manager.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        assert systemd.notify("READY=1\nSTATUS=listening")
        assert manager.recv(100) == b"READY=1\nSTATUS=listening"


@pytest.mark.parametrize("address", ["", "relative/path", "/nowhere/at/all"])
def test_without_a_manager_nothing_happens(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Started by hand, or with a socket that is gone."""
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    assert not systemd.notify("READY=1")


def test_the_watchdog_is_ours_only_if_it_was_set_for_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child inherits the environment, but not the duty."""
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    monkeypatch.setenv("WATCHDOG_USEC", "30000000")
    assert systemd.watchdog_interval_s() == 30.0
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid() + 1))
    assert systemd.watchdog_interval_s() is None
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    assert systemd.watchdog_interval_s() == 30.0
    monkeypatch.setenv("WATCHDOG_USEC", "soon")
    assert systemd.watchdog_interval_s() is None


@pytest.mark.parametrize(("state", "set_once", "synced"), _CLOCKS)
def test_the_clock_is_right_if_the_kernel_says_so(
    state: int, set_once: bool, synced: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel's word counts, and timesyncd's only where the kernel may not be asked; asking changes nothing."""
    asked: list[bytes] = []

    def adjtimex(record: Array[c_char]) -> int:
        asked.append(record.raw)
        return state

    stamp = tmp_path / "synchronized"
    if set_once:
        stamp.touch()
    monkeypatch.setattr(systemd, "_libc", lambda: SimpleNamespace(adjtimex=adjtimex))
    monkeypatch.setattr(systemd, "_SYNCED", stamp)
    assert systemd.clock_synced() is synced
    assert [set(record) for record in asked] == [{0}]
