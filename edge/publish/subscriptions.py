"""What a node listens to at the broker: commands for itself, and topics that one of its parts follows."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from edge.publish import topics

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger("tocsin.mqtt")

_COMMAND_BYTES = 64


class Subscriptions:
    """Asks for every topic anew on each connection, and hands on what comes. Only `follow` may be called by any thread.

    A retained command is ignored, for it would hold at every start; a retained state is welcome, for it still holds.
    """

    def __init__(self, base: str, node: str, on_command: Callable[[str, str], None] | None) -> None:
        """Take whom to tell of commands: the part of the topic behind the node, and the payload."""
        self._prefix, self._on_command = f"{base}/{node}/", on_command
        self._commands = (topics.detect_set(base, node), topics.away_set(base, node))
        self._lock = threading.Lock()
        self._followers: dict[str, list[Callable[[bytes], None]]] = {}
        self._asked: set[str] = set()
        self._unanswered: dict[int | None, str] = {}

    def follow(self, topic: str, callback: Callable[[bytes], None]) -> None:
        """Have `callback` called with every payload of a topic."""
        with self._lock:
            self._followers.setdefault(topic, []).append(callback)

    def begin(self) -> None:
        """Begin on a new connection, which is subscribed to nothing."""
        self._asked.clear()
        self._unanswered.clear()

    def ask(self, subscribe: Callable[[str], int | None]) -> None:
        """Subscribe to what was not asked for yet; `subscribe` returns the number of the request."""
        with self._lock:
            wanted = [topic for topic in (*self._commands, *self._followers) if topic not in self._asked]
        for topic in wanted:
            self._asked.add(topic)
            self._unanswered[subscribe(topic)] = topic

    def answered(self, number: int, refusal: str) -> str:
        """Take the broker's answer to a request; return what to say of a refusal, in one line."""
        topic = self._unanswered.pop(number, "")
        if not refusal:
            return ""
        if topic in self._commands:
            return f"the broker lets nobody command this node ({refusal}); check its access rules"
        return f"the broker does not let this node follow {topic} ({refusal}); check its access rules"

    def heard(self, topic: str, payload: bytes, *, retained: bool) -> None:
        """Hand on a message; whoever fails with it is logged."""
        with self._lock:
            followers = list(self._followers.get(topic, ()))
        try:
            for follower in followers:
                follower(payload)
            if not followers:
                self._command(topic, payload, retained=retained)
        except Exception:
            log.exception("the %s on %s failed", "message" if followers else "command", topic)

    def _command(self, topic: str, payload: bytes, *, retained: bool) -> None:
        if retained:
            log.warning("ignored a retained command on %s: a command holds once, when it is given", topic)
        elif self._on_command is not None:
            text = payload[:_COMMAND_BYTES].decode("utf-8", "replace").strip()
            self._on_command(topic.removeprefix(self._prefix), text)
