"""Notification of systemd over a real socket, watchdog and clock."""

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
    """The socket is a path or a name in the abstract namespace."""
    name = f"@tocsin-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(name.replace("@", "\0"))
        manager.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        assert systemd.notify("READY=1\nSTATUS=listening")
        assert manager.recv(100) == b"READY=1\nSTATUS=listening"


@pytest.mark.parametrize("address", ["", "relative/path", "/nowhere/at/all"])
def test_without_a_manager_nothing_is_sent(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable is empty, invalid, or names a socket that no longer exists."""
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    assert not systemd.notify("READY=1")


def test_the_watchdog_counts_only_if_it_is_set_for_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child process inherits the variables, which name its parent."""
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    monkeypatch.setenv("WATCHDOG_USEC", "30000000")
    assert systemd.read_watchdog_interval_s() == 30.0
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid() + 1))
    assert systemd.read_watchdog_interval_s() is None
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    assert systemd.read_watchdog_interval_s() == 30.0
    monkeypatch.setenv("WATCHDOG_USEC", "soon")
    assert systemd.read_watchdog_interval_s() is None


@pytest.mark.parametrize(("state", "set_once", "synced"), _CLOCKS)
def test_clock_synchronisation_is_read_from_the_kernel(
    state: int, set_once: bool, synced: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file of timesyncd counts only where adjtimex is forbidden; the call changes nothing."""
    asked: list[bytes] = []

    def adjtimex(record: Array[c_char]) -> int:
        asked.append(record.raw)
        return state

    stamp = tmp_path / "synchronized"
    if set_once:
        stamp.touch()
    monkeypatch.setattr(systemd, "_load_libc", lambda: SimpleNamespace(adjtimex=adjtimex))
    monkeypatch.setattr(systemd, "_SYNCED", stamp)
    assert systemd.is_clock_synced() is synced
    assert [set(record) for record in asked] == [{0}]
