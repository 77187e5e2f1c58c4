"""Whether a microphone that was not there is worth another try.

A try costs a process, a tenth of a second of work and more on a small box, so a node whose microphone stays away must
not try every second. But what makes a microphone come back can be seen for nothing: device nodes, cards and the
sockets of sound servers. As long as these do not change, tries are rare; when they do, they are frequent for a while.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_EAGER_S = 30.0  # a sound server needs a moment between its socket and its first answer
_RARE_S = 10.0

Traces = tuple[object, ...]


def sound_system(env: Mapping[str, str] = os.environ) -> Traces:
    """Return what can be seen of the sound system; differs after a card or a sound server came or went."""
    runtime = env.get("XDG_RUNTIME_DIR", "/run")
    sockets = (
        env.get("PULSE_SERVER", "").partition("unix:")[2],
        f"{env.get('PULSE_RUNTIME_PATH', runtime + '/pulse')}/native",
        f"{runtime}/pulse/native",
        f"{runtime}/pipewire-0",
        "/run/pulse/native",
    )
    return (_cards(), *(_trace(Path(path)) for path in ("/dev/snd", *sockets) if path))


def _cards() -> str:
    try:
        return Path("/proc/asound/cards").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _trace(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns


class RetryGate:
    """Lets a try pass, or holds it back because nothing has changed since it last failed."""

    def __init__(self, look: Callable[[], Traces] = sound_system) -> None:
        """Begin open; `look` tells what can be seen."""
        self._look = look
        self._seen: Traces | None = None
        self._changed_s = self._tried_s = 0.0

    def allows(self, now_s: float) -> bool:
        """Return whether to try at this moment (monotonic seconds); a try that is allowed counts as made."""
        seen = self._look()
        if seen != self._seen:
            self._seen, self._changed_s = seen, now_s
        eager = now_s - self._changed_s <= _EAGER_S or now_s - self._tried_s >= _RARE_S
        if eager:
            self._tried_s = now_s
        return eager

    def reset(self) -> None:
        """Begin anew: the microphone was there."""
        self._seen = None
