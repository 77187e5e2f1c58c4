"""What other threads leave for the one that speaks with the broker, and the bell they ring."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections import deque
from typing import TYPE_CHECKING

from edge.publish.expiring import ExpiringMessage, ExpiringQueue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

VOLATILE_MAX = 256
"""Messages of use only now that wait for a slow connection; then the oldest go."""


class Mailbox:
    """Retained states, the latest of each topic, and messages that are of use soon or only now. Thread-safe, bounded.

    No lock is held while anybody else's code runs, so that nobody who leaves something can be held up by the broker.
    """

    def __init__(self) -> None:
        """Hang up the bell."""
        self._lock = threading.Lock()
        self._states: dict[str, bytes] = {}
        self._changed: dict[str, None] = {}  # topics whose state is to be sent, in order
        self._volatile: deque[tuple[str, bytes]] = deque(maxlen=VOLATILE_MAX)
        self.expiring = ExpiringQueue()
        """Messages that must arrive within seconds or not at all."""
        self.outbox_changed = threading.Event()
        """Whether the outbox may hold more than was sent."""
        self.wake_receiver, self._wake_sender = socket.socketpair()
        self.wake_receiver.setblocking(False)
        self._wake_sender.setblocking(False)

    def wake(self) -> None:
        """Wake whoever waits on `bell`."""
        with contextlib.suppress(OSError):  # it has been ringing for long, or nobody listens any more
            self._wake_sender.send(b"!")

    def clear_wakeup(self) -> None:
        """Make the bell wait for the next ring."""
        with contextlib.suppress(BlockingIOError):
            self.wake_receiver.recv(4096)

    def close(self) -> None:
        """Take the bell down; what is left from now on stays here."""
        self.wake_receiver.close()
        self._wake_sender.close()

    def put_state(self, topic: str, payload: bytes) -> None:
        """Keep a topic's value; it is to be sent if it differs from the one before."""
        with self._lock:
            if self._states.get(topic) == payload:
                return
            self._states[topic] = payload
            self._changed[topic] = None
        self.wake()

    def forget(self, topic: str) -> None:
        """Keep nothing for a topic that was cleared; one that has a value again keeps it."""
        with self._lock:
            if self._states.get(topic) == b"":
                del self._states[topic]
                self._changed.pop(topic, None)

    def repeat(self, topics: Iterable[str]) -> None:
        """Have the values of topics sent again: somebody has missed or removed them."""
        with self._lock:
            self._changed.update(dict.fromkeys(topic for topic in topics if topic in self._states))
        self.wake()

    def put_volatile(self, topic: str, payload: bytes) -> None:
        """Keep a message for a moment."""
        with self._lock:
            self._volatile.append((topic, payload))
        self.wake()

    def put_expiring(self, message: ExpiringMessage) -> None:
        """Keep a message until it arrives or is too late."""
        self.expiring.put(message)
        self.wake()

    def notify_outbox(self) -> None:
        """Say that there may be more in the outbox."""
        self.outbox_changed.set()
        self.wake()

    def begin(self, topic: str, payload: bytes) -> None:
        """Have every state sent anew, this one last: what it vouches for is there by then."""
        with self._lock:
            self._volatile.clear()
            self._states.pop(topic, None)
            self._states[topic] = payload
            self._changed = dict.fromkeys(self._states)
        self.outbox_changed.set()

    @property
    def has_states(self) -> bool:
        """Whether a state is to be sent."""
        return bool(self._changed)

    def send_state(self, send: Callable[[str, bytes], bool]) -> bool:
        """Send the next state, if there is one; return whether it was taken. One that was not stays."""
        with self._lock:
            topic = next(iter(self._changed), None)
            if topic is None:
                return False
            del self._changed[topic]
            payload = self._states[topic]
        taken = send(topic, payload)
        if not taken:
            with self._lock:
                self._changed[topic] = None
        return taken

    def next_volatile(self) -> tuple[str, bytes] | None:
        """Take the oldest message of use only now, if there is one."""
        with self._lock:
            return self._volatile.popleft() if self._volatile else None
