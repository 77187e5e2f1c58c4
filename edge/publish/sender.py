"""What goes out next on a connection: what must go soon, states, events of the outbox, and what is of use only now.

Nothing here knows MQTT's packets or sockets: a `Line` takes messages and gives each a number, and says later whether
the broker has it. All of it is used by one thread.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

from edge.errors import StorageError
from edge.publish import broker
from edge.publish.window import Window

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge.publish.mailbox import Mailbox
    from edge.publish.soon import Soon
    from edge.store import Store

WINDOW = 20
"""Events sent and not yet acknowledged, at most; as many states may be on their way beside them."""
PAUSE_S = 30.0
"""After a refusal, before the same event is offered again."""
_UNLIMITED = 65_535  # the protocol's own bound


class Line(Protocol):
    """A connection to the broker."""

    @property
    def jammed(self) -> bool:
        """Whether it cannot carry more at the moment."""

    def send(self, topic: str, payload: bytes, *, qos: int, retain: bool) -> int | None:
        """Send a message and return its number; None where it was not taken."""


class Sender:
    """Keeps the line busy within the limits of the broker, and crosses off what has arrived."""

    def __init__(
        self, store: Store, mail: Mailbox, *, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Take where messages come from; `say` is told in one line what does not work."""
        self._store, self._mail, self._say, self._clock = store, mail, say, clock
        self._window = Window(WINDOW)
        self._states: set[int] = set()
        self._quota = _UNLIMITED
        self._held_until_s: float | None = None

    def begin(self, quota: int | None) -> None:
        """Begin on a new line, which carries `quota` messages without an answer, with the first in the outbox."""
        self._window.restart()
        self._states.clear()
        self._mail.soon.restart()
        self._held_until_s = None
        self._quota = quota or _UNLIMITED

    @property
    def quiet(self) -> bool:
        """Whether every state has arrived, and all that must go soon."""
        return not (self._mail.changed or self._states or self._mail.soon)

    @property
    def delivered_all(self) -> bool:
        """Whether every event has arrived and is crossed off."""
        return not (self._mail.news.is_set() or self._window.in_flight or self._window.delivered)

    def send(self, line: Line, *, events: bool = True) -> None:
        """Send what may be sent now; without `events` only the rest."""

        def send_soon(message: Soon) -> int | None:
            return line.send(message.topic, message.payload, qos=message.qos, retain=message.retain)

        def send_state(topic: str, payload: bytes) -> bool:
            number = line.send(topic, payload, qos=1, retain=True)
            if number is not None:
                self._states.add(number)
            return number is not None

        while self._room(WINDOW - self._mail.soon.in_flight) and self._mail.soon.send(send_soon):
            pass
        while self._room(WINDOW - len(self._states)) and self._mail.send_state(send_state):
            pass
        if events:
            try:
                self._send_events(line)
            except StorageError as exc:
                self._mail.news.set()  # at the next turn again
                self._say(f"events wait: {exc}")
        while not line.jammed and (message := self._mail.next_volatile()):
            line.send(*message, qos=0, retain=False)

    def expire(self, why: str) -> None:
        """Give up what should have gone soon and is too late; `why` it could not go."""
        self._mail.soon.expire(self._clock(), why)

    def answered(self, number: int, refusal: str = "") -> None:
        """Take the broker's answer to a message: that it has it, or why it will not."""
        told = f"the broker refused it: {refusal}; {broker.mend(refusal)}" if refusal else ""
        if self._mail.soon.answered(number, told):
            return
        self._states.discard(number)
        if not refusal:
            self._window.acknowledge(number)
            return
        event = self._window.refuse(number)
        if event:
            self._held_until_s = self._clock() + PAUSE_S
        what = "an event, which waits" if event else "a state"
        self._say(f"the broker refused {what}: {refusal}; {broker.mend(refusal)}")

    def _room(self, window: int) -> int:
        on_their_way = self._window.in_flight + len(self._states) + self._mail.soon.in_flight
        return max(0, min(window, self._quota - on_their_way))

    def _send_events(self, line: Line) -> None:
        while self._window.delivered:
            self._store.outbox_done(self._window.delivered[0])
            self._window.crossed_off()
        if self._held() or not self._mail.news.is_set():
            return
        room = self._room(self._window.room)
        if not room:
            return
        self._mail.news.clear()  # before the look, so that what comes meanwhile is seen at the next turn
        rows = self._store.outbox_peek(self._window.sent, room)
        for row in rows:
            try:
                number = line.send(row.topic, row.payload, qos=1, retain=False)
            except ValueError as exc:  # it never will be sent, and must not keep the others
                self._store.outbox_reject(row.sequence, str(exc))
                continue
            if number is None:
                self._mail.news.set()
                return
            self._window.send(number, row.sequence)
        if len(rows) == room:
            self._mail.news.set()

    def _held(self) -> bool:
        """Return whether an event was refused a moment ago; after the pause it is the first to go."""
        if self._held_until_s is None:
            return False
        if self._window.in_flight or self._clock() < self._held_until_s:
            return True
        self._held_until_s = None
        self._window.restart()
        self._mail.news.set()
        return False
