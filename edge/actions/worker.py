"""One action's queue, thread and retries."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from edge.backoff import FIRST_S, Backoff
from edge.errors import ActionFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge.actions.occasion import Attempt, Occasion
    from edge.telemetry import Metrics

    OnResult = Callable[[str, Occasion, str], None]

log = logging.getLogger("tocsin.actions")

QUEUE_MAX = 8
"""Occasions that wait for one action; then the oldest go."""
_CAP_S = 600.0  # longest wait before the next try


class Worker:
    """Tries one action for one occasion after the other; its thread starts with the first.

    Each occasion ends carried out, given up or dropped, and is counted as such.
    """

    def __init__(self, name: str, attempt: Attempt, metrics: Metrics, on_result: OnResult | None) -> None:
        """Take what to do; `on_result` is told of each occasion that was not dropped."""
        self._name, self._attempt, self._on_result = name, attempt, on_result
        self._done = metrics.actions.labels(name)
        self._failed = metrics.action_failures.labels(name)
        self._dropped = metrics.actions_dropped.labels(name)
        self._changed = threading.Condition()
        self._queue: deque[tuple[Occasion, float]] = deque()
        self._overflow = 0
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def put(self, occasion: Occasion) -> None:
        """Queue an occasion, and never wait for the action."""
        age_s = (datetime.now(timezone.utc) - occasion.time) / timedelta(seconds=1)
        deadline_s = time.monotonic() + self._attempt.expire_s - max(0.0, age_s)
        with self._changed:
            if self._stopping.is_set():
                self._dropped.inc()
                return
            if len(self._queue) == QUEUE_MAX:
                self._queue.popleft()
                self._overflow += 1
                self._dropped.inc()
            self._queue.append((occasion, deadline_s))
            self._changed.notify()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=f"action-{self._name}", daemon=True)
                self._thread.start()

    def stop(self) -> None:
        """Begin no further try."""
        with self._changed:
            self._stopping.set()
            self._changed.notify()

    def join(self, timeout_s: float) -> bool:
        """Wait until the thread has ended, where there is one; return whether it has."""
        if self._thread is None:
            return True
        self._thread.join(max(0.0, timeout_s))
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (taken := self._next()) is not None:
            why = self._carry_out(*taken)
            (self._failed if why else self._done).inc()
            if self._on_result is not None:
                try:
                    self._on_result(self._name, taken[0], why)
                except Exception:
                    log.exception("whoever is told of action %s failed", self._name)

    def _next(self) -> tuple[Occasion, float] | None:
        """Wait for the next occasion and the moment it expires; None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._stopping.is_set())
            overflow, self._overflow = self._overflow, 0
            taken = None if self._stopping.is_set() else self._queue.popleft()
            left = len(self._queue) if taken is None else 0
            self._dropped.inc(left)
        if overflow:
            log.warning("action %s: %d older dropped, because it is too slow for so many", self._name, overflow)
        if left:
            log.warning("action %s: %d dropped, because the service stopped", self._name, left)
        return taken

    def _carry_out(self, occasion: Occasion, deadline_s: float) -> str:
        """Try until it works or is given up; return why it was given up, or nothing."""
        backoff, said = Backoff(_CAP_S, growth=_growth(self._attempt)), ""
        why, tries = f"{occasion.event} is older than the action's expire_s", 0
        while time.monotonic() < deadline_s:
            tries += 1
            try:
                self._attempt(occasion, deadline_s - time.monotonic())
            except ActionFailed as exc:
                why, again, wait_s = str(exc), exc.again, max(exc.wait_s, backoff.next_s(deadline_s - time.monotonic()))
            except Exception:
                log.exception("action %s failed", self._name)
                why, again, wait_s = "Tocsin itself failed; see the log lines above", False, 0.0
            else:
                if tries > 1:
                    log.info("action %s: carried out at try %d", self._name, tries)
                return ""
            if not again or tries == self._attempt.tries or time.monotonic() + wait_s >= deadline_s:
                break
            if why != said:
                said = why
                log.warning("action %s: %s; tried again", self._name, why)
            if self._stopping.wait(wait_s):
                break
        log.warning("action %s: %s; given up after %d %s", self._name, why, tries, "try" if tries == 1 else "tries")
        return why


def _growth(attempt: Attempt) -> float:
    """Return by how much the waits grow, so that the tries are spread: the first soon, the last by the expiry."""
    return float(max(1.0, attempt.expire_s / FIRST_S) ** (1 / max(1, attempt.tries - 2)))
