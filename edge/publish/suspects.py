"""States at which the broker hangs up. Pure: time is an argument.

Some brokers end the connection at a message that their access rules forbid, and every connection begins with all
states: one of them would keep everything else from going out. Where connections end again and again before all states
are through, one message is sent at a time, and the state at which two connections in a row are lost is withheld.
"""

from __future__ import annotations

PAUSE_S = 60.0
"""After a loss, before a withheld state is offered again."""
CALM_S = 0.2
"""After an answer, before anything else is sent: some brokers answer first and hang up then."""
_PATIENCE = 2  # connections in a row


class Suspects:
    """Which state may be sent, and which is withheld."""

    def __init__(self) -> None:
        """Suspect nothing."""
        self._losses = 0  # connections in a row that ended before all states were through
        self._through = True
        self._last, self._answered_s = "", 0.0  # the state that may still end the connection, and when it was answered
        self._withheld: dict[str, None] = {}
        self._suspect = ""  # the state at which the last connection was lost
        self._offered = ""  # the withheld state that is tried again
        self._due_s = 0.0

    @property
    def careful(self) -> bool:
        """Whether one message at a time may be sent."""
        return self._losses >= _PATIENCE or bool(self._withheld or self._offered)

    @property
    def probing(self) -> bool:
        """Whether a loss would show which state is at fault, as long as nothing else is sent beside them."""
        return self.careful and (bool(self._offered) or not self._through)

    def begin(self, now_s: float) -> str:
        """Begin on a new connection; return the state that is withheld from now on, if the last loss showed one."""
        offered, last = self._offered, self._last
        if offered:
            self._withheld[offered] = None
        if offered and offered == last:
            self._due_s = now_s + PAUSE_S
        at_fault = "" if self._through or offered or not self.careful else last
        self._losses = 0 if self._through else self._losses + 1
        self._through, self._last, self._offered = False, "", ""
        confirmed, self._suspect = bool(at_fault) and at_fault == self._suspect, at_fault
        if not confirmed:
            return ""
        self._withheld[at_fault] = None
        self._due_s = now_s + PAUSE_S
        return at_fault

    def note_sent(self, topic: str) -> None:
        """Note that a state is on its way."""
        self._last = topic

    def note_answer(self, now_s: float) -> None:
        """Note that a state was answered."""
        self._answered_s = now_s

    def check_calm(self, now_s: float) -> bool:
        """Return whether the connection has outlived the states sent so far, all of which were answered."""
        if self._last and now_s - self._answered_s < CALM_S:
            return False
        self._last = ""
        return True

    def note_complete(self, now_s: float) -> str:
        """Note that the connection has outlived all states; return a withheld one that is to be offered again now."""
        self._through, self._losses = True, 0
        if self._offered:
            self._offered, self._due_s = "", now_s  # it may be sent, so the next one is tried at once
        if not self._withheld or now_s < self._due_s:
            return ""
        self._offered = next(iter(self._withheld))
        del self._withheld[self._offered]
        return self._offered

    def withholds(self, topic: str) -> bool:
        """Return whether a state waits."""
        return topic in self._withheld
