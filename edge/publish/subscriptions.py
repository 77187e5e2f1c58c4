"""What a node listens to at the broker: commands for itself, and topics that one of its parts follows."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from edge.errors import UsageError
from edge.publish import topics
from edge.publish.client import MAX_PACKET
from edge.publish.loglimit import LimitedLog
from edge.publish.oversize import OVERSIZE_PAUSE_S, OversizeCounter
from edge.publish.ratelimit import RateLimiter

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge.publish.topics import Topics

log = logging.getLogger("tocsin.mqtt")

_COMMAND_BYTES = 64
_DETECT = "/detect/set"


class Subscriptions:
    """Asks for every topic anew on each connection, and hands on what comes. Only `follow` may be called by any thread.

    A retained command is ignored, for it would hold at every start; a retained state is welcome, for it still holds.
    What comes is a stranger's: its topic may be one that was not asked for, and neither its amount nor its text may
    fill the log or the disk.
    """

    def __init__(
        self,
        own: Topics,
        on_command: Callable[[str, str], None] | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the node's topics and whom to tell of commands: the part of the topic behind the node, and the payload.

        It raises `UsageError` for a command that it does not obey.
        """
        self._prefix, self._on_command, self._clock = own.prefix, on_command, clock
        self._detect, self._away = own.detect_set(), own.away_set
        self._lock = threading.Lock()
        self._followers: dict[str, list[Callable[[bytes], None]]] = {}
        self._asked: set[str] = set()
        self._unanswered: dict[int | None, str] = {}
        self._oversize, self._limiter, self._log = OversizeCounter(), RateLimiter(), LimitedLog(log, clock)

    def follow(self, topic: str, callback: Callable[[bytes], None]) -> None:
        """Have `callback` called with every payload of a topic."""
        with self._lock:
            self._followers.setdefault(topic, []).append(callback)

    def begin(self) -> None:
        """Begin on a new connection, which is subscribed to nothing."""
        self._asked.clear()
        self._unanswered.clear()

    def subscribe_pending(self, subscribe: Callable[[str], int | None]) -> None:
        """Subscribe to what was not asked for yet; `subscribe` returns the number of the request."""
        with self._lock:
            wanted = [topic for topic in (self._detect, self._away, *self._followers) if topic not in self._asked]
        for topic in wanted:
            if self._oversize.is_paused(topic, self._clock()):
                continue
            self._asked.add(topic)
            if topic in self._followers and (why := topics.find_flaw(topic)):
                self._log.warning("%s cannot be followed: %s", topics.escape(topic), why)
            else:
                self._unanswered[subscribe(topic)] = topic

    def handle_answer(self, number: int, refusal: str) -> str:
        """Take the broker's answer to a request; return what to say of a refusal, in one line."""
        topic = self._unanswered.pop(number, "")
        if not refusal:
            return ""
        if topic in (self._detect, self._away):
            return f"the broker lets nobody command this node ({refusal}); check its access rules"
        return f"the broker does not let this node follow {topic} ({refusal}); check its access rules"

    def note_oversize(self, topic: str, size: int) -> str:
        """Take that a message was not read, at the connection's cost; return what to say of it, in one line."""
        wanted = self._find_filter(topic)
        if wanted and self._oversize.count(wanted, self._clock()):
            log.warning(
                "messages on %s are too large, again and again: it is not listened to for %.0f min",
                topics.escape(wanted),
                OVERSIZE_PAUSE_S / 60.0,
            )
        return f"a message of {size} bytes on {topics.escape(topic)} was not read: {MAX_PACKET} are the most"

    def handle_message(self, topic: str, payload: bytes, *, retained: bool) -> None:
        """Hand on a message; whoever fails with it is logged."""
        wanted = self._find_filter(topic)
        self._oversize.reset(wanted)
        with self._lock:
            followers = list(self._followers.get(topic, ()))
        for follower in followers:
            self._notify(topic, follower, payload)
        if followers:
            return
        if not wanted:
            self._log.warning("ignored a message on %s, which nobody asked for", topics.escape(topic))
        elif retained:
            text = "ignored a retained command on %s: a command holds once, when it is given"
            self._log.warning(text, topics.escape(topic))
        elif self._limiter.admit(topic, payload, self._clock()):
            self._run_command(topic, payload)

    def catch_up(self) -> None:
        """Obey the commands that came too fast and have waited long enough."""
        for topic, payload in self._limiter.take_due(self._clock()):
            self._run_command(topic, payload)

    def _find_filter(self, topic: str) -> str:
        """Return what was subscribed to that brings a topic; nothing where nobody asked for it."""
        if topic == self._away or topic in self._followers:
            return topic
        source = topic.removeprefix(self._prefix).removesuffix(_DETECT)
        return self._detect if source and "/" not in source and topic == f"{self._prefix}{source}{_DETECT}" else ""

    def _run_command(self, topic: str, payload: bytes) -> None:
        if self._on_command is None:
            return
        suffix, text = topic.removeprefix(self._prefix), payload[:_COMMAND_BYTES].decode("utf-8", "replace").strip()
        try:
            self._on_command(suffix, text)
        except UsageError as exc:
            self._log.warning("ignored %.40r on %s: %s", text, topics.escape(suffix), exc)
        except Exception:
            log.exception("the command on %s failed", topics.escape(topic))

    def _notify(self, topic: str, follower: Callable[[bytes], None], payload: bytes) -> None:
        try:
            follower(payload)
        except Exception:
            log.exception("the message on %s failed", topics.escape(topic))
