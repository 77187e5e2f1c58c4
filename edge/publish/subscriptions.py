"""Subscriptions of a node: its own commands, and topics that its parts follow."""

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
    """Subscriptions, requested again on each connection, and the dispatch of received messages.

    Only `follow` is thread-safe. A retained command is ignored, since it would apply at every start; a retained state
    is used, since it is still valid. Messages are not trusted: a topic may be one without a subscription, and neither
    number nor text of messages may fill the log or the disk.
    """

    def __init__(
        self,
        own: Topics,
        on_command: Callable[[str, str], None] | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the node's topics and the callback for commands.

        It gets the part of the topic after the node and the payload, and raises `UsageError` for an invalid command.
        """
        self._prefix, self._on_command, self._clock = own.prefix, on_command, clock
        self._detect, self._away = own.detect_set(), own.away_set
        self._lock = threading.Lock()
        self._followers: dict[str, list[Callable[[bytes], None]]] = {}
        self._asked: set[str] = set()
        self._unanswered: dict[int | None, str] = {}
        self._oversize, self._limiter, self._log = OversizeCounter(), RateLimiter(), LimitedLog(log, clock)

    def follow(self, topic: str, callback: Callable[[bytes], None]) -> None:
        """Call `callback` with every payload of a topic."""
        with self._lock:
            self._followers.setdefault(topic, []).append(callback)

    def begin(self) -> None:
        """Begin on a new connection, which has no subscription."""
        self._asked.clear()
        self._unanswered.clear()

    def subscribe_pending(self, subscribe: Callable[[str], int | None]) -> None:
        """Request the missing subscriptions; `subscribe` returns the number of a request."""
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
        """Handle the broker's answer to a request; return a line about a refusal, or nothing."""
        topic = self._unanswered.pop(number, "")
        if not refusal:
            return ""
        if topic in (self._detect, self._away):
            return f"the broker refuses the subscription to commands ({refusal}); check its access rules"
        return f"the broker does not let this node follow {topic} ({refusal}); check its access rules"

    def note_oversize(self, topic: str, size: int) -> str:
        """Count a message too large, which ended the connection; return a line about it."""
        wanted = self._find_filter(topic)
        if wanted and self._oversize.count(wanted, self._clock()):
            log.warning(
                "messages on %s are too large repeatedly: the topic is not subscribed to for %.0f min",
                topics.escape(wanted),
                OVERSIZE_PAUSE_S / 60.0,
            )
        return f"a message of {size} bytes on {topics.escape(topic)} was not read: {MAX_PACKET} are the most"

    def handle_message(self, topic: str, payload: bytes, *, retained: bool) -> None:
        """Dispatch a message; a failure of its callback is logged."""
        wanted = self._find_filter(topic)
        self._oversize.reset(wanted)
        with self._lock:
            followers = list(self._followers.get(topic, ()))
        for follower in followers:
            self._notify(topic, follower, payload)
        if followers:
            return
        if not wanted:
            self._log.warning("ignored a message on %s, which is not subscribed to", topics.escape(topic))
        elif retained:
            text = "ignored a retained command on %s: publish commands without retain"
            self._log.warning(text, topics.escape(topic))
        elif self._limiter.admit(topic, payload, self._clock()):
            self._run_command(topic, payload)

    def catch_up(self) -> None:
        """Run the commands that the rate limit delayed and now admits."""
        for topic, payload in self._limiter.take_due(self._clock()):
            self._run_command(topic, payload)

    def _find_filter(self, topic: str) -> str:
        """Return the topic filter that matches a topic; empty without a subscription."""
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
