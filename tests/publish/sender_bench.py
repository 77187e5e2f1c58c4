"""Test bench of the sender: a recording transport and a manual clock."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from edge.publish import topics
from edge.publish.mailbox import Mailbox
from edge.publish.retained import RetainedTopics
from edge.publish.sender import Sender
from edge.publish.transport import TooLongError, UnsendableError

if TYPE_CHECKING:
    from edge.store import Store


@dataclass
class RecordingTransport:
    """A transport that records messages, until it is congested or its numbers run out."""

    sent: list[tuple[str, bytes, int, bool]] = field(default_factory=list)
    congested: bool = False
    exhausted: bool = False
    longest: int = 1 << 20

    def send(self, topic: str, payload: bytes, *, qos: int, retain: bool) -> int | None:
        if why := topics.find_flaw(topic):
            raise UnsendableError(why)
        if len(payload) > self.longest:
            msg = "it is too long"
            raise TooLongError(msg)
        if self.exhausted:
            return None
        self.sent.append((topic, payload, qos, retain))
        return len(self.sent)

    def topics(self) -> list[str]:
        return [topic for topic, *_ in self.sent]


@dataclass
class SenderBench:
    """A sender with its dependencies and a manual clock."""

    store: Store
    mail: Mailbox = field(default_factory=Mailbox)
    transport: RecordingTransport = field(default_factory=RecordingTransport)
    warnings: list[str] = field(default_factory=list)
    now_s: float = 0.0

    def __post_init__(self) -> None:
        self.sender = Sender(
            self.store,
            self.mail,
            warn=lambda text, *args: self.warnings.append(text % args),
            retained=RetainedTopics(self.store, self.mail),
            clock=lambda: self.now_s,
        )

    def begin(self, quota: int | None = None) -> None:
        self.transport.sent.clear()
        self.sender.begin(quota)
        self.mail.begin("status", b"online")

    def send(self) -> None:
        self.sender.send(self.transport)

    def events(self) -> list[int]:
        return [i + 1 for i, (*_, retain) in enumerate(self.transport.sent) if not retain]
