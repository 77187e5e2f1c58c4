"""Search for states at which the broker ends the connection. Pure: time is an argument.

Some brokers end the connection at a message that their access rules forbid, and every connection begins with all
states: one of them would block everything else. If connections end repeatedly before all states are acknowledged, one
message is sent at a time, and the state at which two connections in a row are lost is withheld.
"""

from __future__ import annotations

PAUSE_S = 60.0
"""Seconds after a loss before a withheld state is sent again."""
CALM_S = 0.2
"""Seconds after an answer before the next message: some brokers answer first and then disconnect."""
_PATIENCE = 2  # connections in a row


class Suspects:
    """States that may end the connection, and those withheld for it."""

    def __init__(self) -> None:
        """Begin without a suspected state."""
        self._losses = 0  # connections in a row that ended before all states were acknowledged
        self._complete = True
        self._last, self._answered_s = (
            "",
            0.0,
        )  # the last state sent, until the connection has survived it; the time of its answer
        self._withheld: dict[str, None] = {}
        self._suspect = ""  # the state at which the last connection was lost
        self._offered = ""  # the withheld state that is sent again
        self._due_s = 0.0

    @property
    def careful(self) -> bool:
        """Whether only one message at a time may be sent."""
        return self._losses >= _PATIENCE or bool(self._withheld or self._offered)

    @property
    def probing(self) -> bool:
        """Whether a loss shows the state at fault, provided that only states are sent."""
        return self.careful and (bool(self._offered) or not self._complete)

    def begin(self, now_s: float) -> str:
        """Begin on a new connection; return the state withheld from now on, if any."""
        offered, last = self._offered, self._last
        if offered:
            self._withheld[offered] = None
        if offered and offered == last:
            self._due_s = now_s + PAUSE_S
        at_fault = "" if self._complete or offered or not self.careful else last
        self._losses = 0 if self._complete else self._losses + 1
        self._complete, self._last, self._offered = False, "", ""
        confirmed, self._suspect = bool(at_fault) and at_fault == self._suspect, at_fault
        if not confirmed:
            return ""
        self._withheld[at_fault] = None
        self._due_s = now_s + PAUSE_S
        return at_fault

    def note_sent(self, topic: str) -> None:
        """Note that a state was sent."""
        self._last = topic

    def note_answer(self, now_s: float) -> None:
        """Note that a state was answered."""
        self._answered_s = now_s

    def check_calm(self, now_s: float) -> bool:
        """Return whether the connection has survived all states sent so far."""
        if self._last and now_s - self._answered_s < CALM_S:
            return False
        self._last = ""
        return True

    def note_complete(self, now_s: float) -> str:
        """Note that the connection has survived all states; return a withheld one, if due."""
        self._complete, self._losses = True, 0
        if self._offered:
            self._offered, self._due_s = "", now_s  # it may be sent, so the next one is tried at once
        if not self._withheld or now_s < self._due_s:
            return ""
        self._offered = next(iter(self._withheld))
        del self._withheld[self._offered]
        return self._offered

    def withholds(self, topic: str) -> bool:
        """Return whether a state is withheld."""
        return topic in self._withheld
