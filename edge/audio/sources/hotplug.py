"""Retry policy for a missing microphone.

An attempt costs a process and a tenth of a second of work, more on a small machine, so a node with a missing microphone
must not try every second. The causes of its return can be observed at no cost: device nodes, cards and the sockets of
sound servers. While these do not change, attempts are rare; after a change they are frequent for a while.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_EAGER_S = 30.0  # a sound server needs some time between its socket and its first answer
_RARE_S = 10.0

SoundSystemState = tuple[object, ...]


def read_sound_system(env: Mapping[str, str] = os.environ) -> SoundSystemState:
    """Return a state that changes when a card or a sound server comes or goes."""
    runtime = env.get("XDG_RUNTIME_DIR", "/run")
    sockets = (
        env.get("PULSE_SERVER", "").partition("unix:")[2],
        f"{env.get('PULSE_RUNTIME_PATH', runtime + '/pulse')}/native",
        f"{runtime}/pulse/native",
        f"{runtime}/pipewire-0",
        "/run/pulse/native",
    )
    return (_read_cards(), *(_read_stamp(Path(path)) for path in ("/dev/snd", *sockets) if path))


def _read_cards() -> str:
    try:
        return Path("/proc/asound/cards").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _read_stamp(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns


class RetryGate:
    """Gate for attempts to open a microphone: rare while the sound system does not change."""

    def __init__(self, read_state: Callable[[], SoundSystemState] = read_sound_system) -> None:
        """Take the function that reads the state of the sound system."""
        self._read_state = read_state
        self._seen: SoundSystemState | None = None
        self._changed_s = self._tried_s = 0.0

    def allows(self, now_s: float) -> bool:
        """Return whether to try at `now_s` (monotonic); an allowed attempt counts as made."""
        seen = self._read_state()
        if seen != self._seen:
            self._seen, self._changed_s = seen, now_s
        eager = now_s - self._changed_s <= _EAGER_S or now_s - self._tried_s >= _RARE_S
        if eager:
            self._tried_s = now_s
        return eager

    def reset(self) -> None:
        """Allow frequent attempts again, after the microphone was opened."""
        self._seen = None
