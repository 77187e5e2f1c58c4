"""Thread-safe queues between the node and the MQTT thread, with a wake-up socket."""

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
"""Most volatile messages that wait for a slow connection; beyond it the oldest are dropped."""


class Mailbox:
    """Queues of retained states, expiring and volatile messages. Thread-safe and bounded.

    Of each state the latest value is kept. No lock is held while a callback runs, so that a slow broker blocks no
    thread that puts a message here.
    """

    def __init__(self) -> None:
        """Create the wake-up socket."""
        self._lock = threading.Lock()
        self._states: dict[str, bytes] = {}
        self._changed: dict[str, None] = {}  # topics of the states to send, in order
        self._volatile: deque[tuple[str, bytes]] = deque(maxlen=VOLATILE_MAX)
        self.expiring = ExpiringQueue()
        """Messages with a deadline."""
        self.outbox_changed = threading.Event()
        """Whether the outbox may hold unsent messages."""
        self.wake_receiver, self._wake_sender = socket.socketpair()
        self.wake_receiver.setblocking(False)
        self._wake_sender.setblocking(False)

    def wake(self) -> None:
        """Wake the thread that polls `wake_receiver`."""
        with contextlib.suppress(OSError):  # its buffer is full, or it is closed
            self._wake_sender.send(b"!")

    def clear_wakeup(self) -> None:
        """Clear the wake-up socket until the next `wake`."""
        with contextlib.suppress(BlockingIOError):
            self.wake_receiver.recv(4096)

    def close(self) -> None:
        """Close the wake-up socket; messages put here later are not sent."""
        self.wake_receiver.close()
        self._wake_sender.close()

    def put_state(self, topic: str, payload: bytes) -> None:
        """Set a topic's value; it is sent if it differs from the one before."""
        with self._lock:
            if self._states.get(topic) == payload:
                return
            self._states[topic] = payload
            self._changed[topic] = None
        self.wake()

    def forget(self, topic: str) -> None:
        """Forget a cleared topic, unless it has a value again."""
        with self._lock:
            if self._states.get(topic) == b"":
                del self._states[topic]
                self._changed.pop(topic, None)

    def repeat(self, topics: Iterable[str]) -> None:
        """Send the values of topics again, which a client has missed or removed."""
        with self._lock:
            self._changed.update(dict.fromkeys(topic for topic in topics if topic in self._states))
        self.wake()

    def put_volatile(self, topic: str, payload: bytes) -> None:
        """Queue a volatile message."""
        with self._lock:
            self._volatile.append((topic, payload))
        self.wake()

    def put_expiring(self, message: ExpiringMessage) -> None:
        """Queue a message with a deadline."""
        self.expiring.put(message)
        self.wake()

    def notify_outbox(self) -> None:
        """Note that the outbox may hold new messages."""
        self.outbox_changed.set()
        self.wake()

    def begin(self, topic: str, payload: bytes) -> None:
        """Begin a new connection: send every state again, and this one last.

        A client that sees the last one may rely on the others.
        """
        with self._lock:
            self._volatile.clear()
            self._states.pop(topic, None)
            self._states[topic] = payload
            self._changed = dict.fromkeys(self._states)
        self.outbox_changed.set()

    @property
    def has_states(self) -> bool:
        """Whether a state waits to be sent."""
        return bool(self._changed)

    def send_state(self, send: Callable[[str, bytes], bool]) -> bool:
        """Send the next state, if any; return whether `send` accepted it, else it stays."""
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
        """Remove and return the oldest volatile message, if any."""
        with self._lock:
            return self._volatile.popleft() if self._volatile else None
