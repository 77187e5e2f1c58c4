"""What goes out next on a connection: what must go soon, states, events of the outbox, and what is of use only now.

Nothing here knows MQTT's packets or sockets: a `Line` takes messages and gives each a number, and says later whether
the broker has it. All of it is used by one thread.

One message must not hold up the others: a topic that the broker refuses waits by itself, and what cannot be sent at all
is taken out of the way.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from edge.errors import StorageError, render
from edge.publish import broker, topics
from edge.publish.line import TooLongError, UnsendableError
from edge.publish.refusals import Refusals
from edge.publish.suspects import Suspects
from edge.publish.window import Window

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge.publish.line import Line
    from edge.publish.mailbox import Mailbox
    from edge.publish.retained import Retained
    from edge.publish.soon import Soon
    from edge.store import Store
    from edge.store.outbox import OutboxRow

WINDOW = 20
"""Events sent and not yet acknowledged, at most; as many states may be on their way beside them."""
_PATIENCE = 2  # connections in a row that are lost with events in flight and none answered
_LOOK = 200  # messages of the outbox looked at together while some of them have to wait
_LOOKS = 20  # such looks in one turn
_UNLIMITED = 65_535  # the protocol's own bound


class Sender:
    """Keeps the line busy within the limits of the broker, and crosses off what has arrived."""

    def __init__(
        self,
        store: Store,
        mail: Mailbox,
        *,
        retained: Retained,
        say: Callable[..., None],
        status: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take where messages come from; `say` is told what does not work, as `logging` would be.

        The state on `status` is never withheld: where the broker forbids that, it forbids the last will as well.
        """
        self._store, self._mail, self._retained, self._say, self._clock = store, mail, retained, say, clock
        self._status = status
        self._window = Window(WINDOW)
        self._states: dict[int, tuple[str, bool]] = {}  # by number: the topic, and whether it is cleared
        self._quota = _UNLIMITED
        self._refusals, self._suspects = Refusals(), Suspects()
        self._answered = False  # whether an event was answered on this line
        self._fruitless = 0
        self.unsendable = 0
        """Messages taken out of the way because no broker would have them, since the start."""

    def begin(self, quota: int | None) -> None:
        """Begin on a new line, which carries `quota` messages without an answer, with the first in the outbox."""
        self._look_back()
        self._window.restart()
        self._states.clear()
        self._mail.soon.restart()
        self._refusals.restart(self._clock())
        self._quota = quota or _UNLIMITED

    def lost(self) -> None:
        """Note that the line is no more."""
        if not self._states:
            self._suspects.rested(self._clock())

    def _look_back(self) -> None:
        """Draw a conclusion from the line before this one.

        Some brokers hang up at a message that they will not have, before anything was answered. Where that happens
        again and again events go one by one, and the one at which the next line is lost waits as if it were refused.
        """
        if topic := self._suspects.begin(self._clock()):
            text = "the broker ends the connection at the state on %s, which is withheld; see its log"
            self._say(text, topics.shown(topic))
        lost = self._window.unanswered
        self._fruitless = self._fruitless + 1 if lost and not self._answered else 0
        self._answered = False
        if self._fruitless > _PATIENCE and len(lost) == 1:
            ((sequence, topic),) = lost
            self._refuse(sequence, topic, "it ends the connection at it; see its log")
            self._fruitless = 0
        self._window.size = 1 if self._fruitless >= _PATIENCE else WINDOW

    @property
    def refused(self) -> dict[str, str]:
        """Why the broker will not have the events of a topic, for each that waits therefore. Thread-safe."""
        return self._refusals.reasons

    @property
    def paused(self) -> bool:
        """Whether a state waits for nothing but a moment's calm."""
        return self._suspects.probing and self._mail.changed and not self._states

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
        self._retained.save()

        def send_soon(message: Soon) -> int | None:
            return line.send(message.topic, message.payload, qos=message.qos, retain=message.retain)

        while self._room(WINDOW - self._mail.soon.in_flight) and self._mail.soon.send(send_soon):
            pass
        if not (events and self._suspects.careful):
            self._send_states(line, WINDOW)
            self._try_events(line, events=events)
        elif not self._states and self._suspects.rested(self._clock()):
            self._try_events(line)
            if not self._window.in_flight:
                self._send_states(line, 1)
        self._look_at_states()
        while not line.jammed and (message := self._mail.next_volatile()):
            if self._suspects.probing:
                continue
            with contextlib.suppress(UnsendableError):  # the states beside it say so
                line.send(*message, qos=0, retain=False)

    def _send_states(self, line: Line, window: int) -> None:
        def send_state(topic: str, payload: bytes) -> bool:
            return self._suspects.withholds(topic) or self._send_state(line, topic, payload)

        while self._room(window - len(self._states)) and self._mail.send_state(send_state):
            pass

    def _look_at_states(self) -> None:
        """Note when all states are through, and offer one again that was withheld."""
        if self._states or self._mail.changed or not self._suspects.rested(self._clock()):
            return
        if topic := self._suspects.through(self._clock()):
            self._mail.repeat([topic])

    def expire(self, why: str) -> None:
        """Give up what should have gone soon and is too late; `why` it could not go."""
        self._mail.soon.expire(self._clock(), why)

    def answered(self, number: int, refusal: str = "") -> None:
        """Take the broker's answer to a message: that it has it, or why it will not."""
        remedy = broker.remedy_for(refusal)
        told = render(f"the broker refused the message: {refusal}", remedy=remedy) if refusal else ""
        if self._mail.soon.answered(number, told):
            return
        state = self._states.pop(number, None)
        if state is not None:
            self._state_answered(*state, refusal)
            return
        message = self._window.refuse(number) if refusal else self._window.acknowledge(number)
        if message is None:
            return
        self._answered = True
        sequence, topic = message
        if refusal:
            self._refuse(sequence, topic, render(refusal, remedy=remedy))
        elif self._refusals.accepted(topic):
            self._look_again(sequence)

    def _refuse(self, sequence: int, topic: str, why: str) -> None:
        if topic not in self._refusals.reasons:
            self._say("the broker refused an event, which waits: %s (%s)", why, topics.shown(topic))
        self._refusals.add(topic, sequence, why, self._clock())

    def _room(self, window: int) -> int:
        on_their_way = self._window.in_flight + len(self._states) + self._mail.soon.in_flight
        return max(0, min(window, self._quota - on_their_way))

    def _send_state(self, line: Line, topic: str, payload: bytes) -> bool:
        try:
            number = line.send(topic, payload, qos=1, retain=True)
        except UnsendableError as exc:
            self._say("a state on %s cannot be published: %s", topics.shown(topic), exc)
            return True
        if number is not None:
            self._states[number] = (topic, not payload)
            if topic != self._status:
                self._suspects.sent(topic)
        return number is not None

    def _state_answered(self, topic: str, cleared: bool, refusal: str) -> None:  # noqa: FBT001 - as it was kept
        self._suspects.answered(self._clock())
        if refusal:
            self._say(
                "the broker refused the state on %s: %s; %s", topics.shown(topic), refusal, broker.remedy_for(refusal)
            )
        if cleared:
            self._retained.cleared(topic, refused=bool(refusal))

    # Events

    def _try_events(self, line: Line, *, events: bool = True) -> None:
        if not events:
            return
        try:
            self._send_events(line)
        except StorageError as exc:
            self._mail.news.set()  # at the next turn again
            self._say("events wait: %s", exc)

    def _send_events(self, line: Line) -> None:
        while self._window.delivered:
            self._store.outbox_done(self._window.delivered[0])
            self._window.crossed_off()
        first = self._refusals.ask_again(self._clock(), self._window.topics())
        if first is not None:
            self._look_again(first - 1)
        if self._mail.news.is_set() and self._event_room():
            self._mail.news.clear()  # before the look, so that what comes meanwhile is seen at the next turn
            if not self._look_through(line):
                self._mail.news.set()

    def _look_again(self, sequence: int) -> None:
        """Have the outbox looked through from behind a sequence."""
        self._window.go_back(sequence)
        self._mail.news.set()

    def _event_room(self) -> int:
        return self._room(self._window.room)

    def _look_through(self, line: Line) -> bool:
        """Send the events that may go; return whether the end of the outbox was seen."""
        for _ in range(_LOOKS):
            limit = _LOOK if self._refusals else self._event_room()
            if limit < 1:
                return False
            rows = self._store.outbox_peek(self._window.passed, limit)
            for row in rows:
                if not (self._event_room() and self._pass(line, row)):
                    return False
                self._window.passed = row.sequence
            if len(rows) < limit:
                self._refusals.forget_gone(self._window.topics())
                return True
        self._mail.ring()  # others have a turn before it goes on
        return False

    def _pass(self, line: Line, row: OutboxRow) -> bool:
        """Send an event unless it has to wait; return whether the one behind it may be looked at."""
        if self._window.holds(row.sequence) or not self._refusals.may_go(row.topic, self._window.topics()):
            return True
        try:
            number = line.send(row.topic, row.payload, qos=1, retain=False)
        except TooLongError as exc:
            self._refuse(row.sequence, row.topic, str(exc))
            return True
        except UnsendableError as exc:
            self._discard(row, exc)
            return True
        if number is None:
            return False
        self._window.send(number, row.sequence, row.topic)
        return True

    def _discard(self, row: OutboxRow, why: UnsendableError) -> None:
        """Take a message out of the way that no broker would have; it stays in the history."""
        self._store.outbox_done(row.sequence)
        self.unsendable += 1
        text = "event %d for %s cannot be sent and is left out: %s"
        self._say(text, row.sequence, topics.shown(row.topic), why)
