"""Queue, thread and retries of one action."""

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

    from edge.actions.trigger import Executor, Trigger
    from edge.telemetry import Metrics

    OnResult = Callable[[str, Trigger, str], None]

log = logging.getLogger("tocsin.actions")

QUEUE_MAX = 8
"""Most triggers that wait for one action; beyond it the oldest are dropped."""
_CAP_S = 600.0  # longest wait before the next try


class Worker:
    """A thread that executes one action for each trigger, with retries.

    The thread starts with the first trigger. Each trigger is executed, fails or is dropped, and is counted as such.
    """

    def __init__(self, name: str, executor: Executor, metrics: Metrics, on_result: OnResult | None) -> None:
        """Take the executor; `on_result` is called for each trigger that was not dropped."""
        self._name, self._executor, self._on_result = name, executor, on_result
        self._done = metrics.actions.labels(name)
        self._failed = metrics.action_failures.labels(name)
        self._dropped = metrics.actions_dropped.labels(name)
        self._changed = threading.Condition()
        self._queue: deque[tuple[Trigger, float]] = deque()
        self._overflow = 0
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def put(self, trigger: Trigger) -> None:
        """Queue a trigger without waiting for the action."""
        age_s = (datetime.now(timezone.utc) - trigger.time) / timedelta(seconds=1)
        deadline_s = time.monotonic() + self._executor.expire_s - max(0.0, age_s)
        with self._changed:
            if self._stopping.is_set():
                self._dropped.inc()
                return
            if len(self._queue) == QUEUE_MAX:
                self._queue.popleft()
                self._overflow += 1
                self._dropped.inc()
            self._queue.append((trigger, deadline_s))
            self._changed.notify()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=f"action-{self._name}", daemon=True)
                self._thread.start()

    def stop(self) -> None:
        """Start no further try."""
        with self._changed:
            self._stopping.set()
            self._changed.notify()

    def join(self, timeout_s: float) -> bool:
        """Wait until the thread has ended or `timeout_s` is over; return whether it has."""
        if self._thread is None:
            return True
        self._thread.join(max(0.0, timeout_s))
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (taken := self._take()) is not None:
            why = self._execute(*taken)
            (self._failed if why else self._done).inc()
            if self._on_result is not None:
                try:
                    self._on_result(self._name, taken[0], why)
                except Exception:
                    log.exception("the listener for results of action %s failed", self._name)

    def _take(self) -> tuple[Trigger, float] | None:
        """Wait for the next trigger; return it with its deadline, None after `stop`."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._stopping.is_set())
            overflow, self._overflow = self._overflow, 0
            taken = None if self._stopping.is_set() else self._queue.popleft()
            left = len(self._queue) if taken is None else 0
            self._dropped.inc(left)
        if overflow:
            log.warning("action %s: %d older triggers dropped because the action is too slow", self._name, overflow)
        if left:
            log.warning("action %s: %d triggers dropped because the service stopped", self._name, left)
        return taken

    def _execute(self, trigger: Trigger, deadline_s: float) -> str:
        """Execute the action with retries; return the reason of the failure, or nothing."""
        backoff, last_warning = Backoff(_CAP_S, growth=_compute_growth(self._executor)), ""
        why, tries = f"{trigger.pattern} is older than the action's expire_s", 0
        while time.monotonic() < deadline_s:
            tries += 1
            try:
                self._executor(trigger, deadline_s - time.monotonic())
            except ActionFailed as exc:
                why, again, wait_s = str(exc), exc.again, max(exc.wait_s, backoff.next_s(deadline_s - time.monotonic()))
            except Exception:
                log.exception("action %s failed", self._name)
                why, again, wait_s = "Tocsin itself failed; see the log lines above", False, 0.0
            else:
                if tries > 1:
                    log.info("action %s: succeeded at try %d", self._name, tries)
                return ""
            if not again or tries == self._executor.tries or time.monotonic() + wait_s >= deadline_s:
                break
            if why != last_warning:
                last_warning = why
                log.warning("action %s: %s; tried again", self._name, why)
            if self._stopping.wait(wait_s):
                break
        log.warning("action %s: %s; given up after %d %s", self._name, why, tries, "try" if tries == 1 else "tries")
        return why


def _compute_growth(executor: Executor) -> float:
    """Return the growth of the waits that spreads the tries until the expiry."""
    return float(max(1.0, executor.expire_s / FIRST_S) ** (1 / max(1, executor.tries - 2)))
