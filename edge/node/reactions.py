"""Reactions of a node to patterns (history, messages, actions), and its away mode.

Nothing here blocks: `take_pattern` runs on the engine's thread, and queues work for recorder, publisher and actions.
"""

from __future__ import annotations

import logging
import threading
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from edge.actions.runner import ActionRunner
from edge.actions.trigger import Trigger
from edge.away.switch import AwaySwitch, describe_status
from edge.away.zone import LOCAL
from edge.clock import ClockSteps, parse_rfc3339
from edge.errors import UsageError
from edge.jsontext import dumps
from edge.publish.payload import pattern_event, pattern_message
from edge.settings.away import SOUND

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from edge.node.messages import Messages
    from edge.node.recorder import Recorder
    from edge.publish.payload import Stamp
    from edge.publish.publisher import Publisher
    from edge.settings.tree import Settings
    from edge.store import Store
    from edge.telemetry import Metrics
    from edge.types import Pattern

log = logging.getLogger("tocsin.reactions")

_STATE = "away"  # key in the store


class Reactions:
    """Reactions of one node to patterns."""

    def __init__(
        self,
        settings: Settings,
        messages: Messages,
        *,
        publisher: Publisher,
        store: Store,
        recorder: Recorder,
        metrics: Metrics,
        on_armed: Callable[[], None],
    ) -> None:
        """Take the receivers of patterns.

        `on_armed` is called, on any thread, when the away mode becomes armed.
        """
        self._settings, self._messages, self._topics = settings, messages, messages.topics
        self._publisher, self._store, self._recorder, self._metrics = publisher, store, recorder, metrics
        self._on_armed = on_armed
        self._switch = AwaySwitch(settings.away) if settings.away.enabled else None
        self._armed = False
        self._kept = ""
        self._clock = ClockSteps()
        self._lock = threading.Lock()  # held while the switch is read and applied; never by the engine's thread
        self._runner = ActionRunner(settings.actions, node=messages.topics.node, broker=publisher, metrics=metrics)
        self._actions = {name: pattern.actions for name, pattern in settings.claps.patterns.items()}
        self._actions[SOUND] = settings.away.actions

    def start(self) -> None:
        """Restore the away mode of the last run and start the actions."""
        if self._switch is not None:
            problem = self._switch.restore(self._store.state_get(_STATE) or "")
            if problem:
                log.warning("%s", problem)
            self._kept = self._switch.to_state()
        self._runner.start()
        self.tick()

    def stop(self, timeout_s: float = 3.0) -> None:
        """Stop; running actions may end within `timeout_s`."""
        self._runner.stop(timeout_s)

    # The away mode

    def tick(self) -> None:
        """Apply the schedule; call this at least once a second."""
        if self._switch is not None:
            with self._lock:
                self._apply(self._switch)

    def _apply(self, switch: AwaySwitch) -> None:
        if step_s := self._clock.take():
            switch.shift_clock(step_s)
        now = datetime.now(LOCAL)
        self._publish("ON" if switch.is_on(now) else "OFF")
        self._save_state(switch.to_state())
        armed = switch.is_armed(now)
        if armed != self._armed:
            self._armed = armed
            log.info("away mode: %s", "listening" if armed else "not listening")
            if armed:
                self._on_armed()

    def _save_state(self, state: str) -> None:
        if state != self._kept:
            self._kept = state
            self._store.state_set(_STATE, state)

    def _publish(self, state: str) -> None:
        self._publisher.set_state(self._topics.away_state, state)

    def describe_away(self) -> dict[str, Any]:
        """Return the away mode as JSON values."""
        return describe_status(self._switch, datetime.now(LOCAL))

    def set_away(self, on: bool) -> dict[str, Any]:  # noqa: FBT001 - the state itself
        """Switch the away mode and return it; raises `UsageError` for a node without one."""
        if self._switch is None:
            msg = "this node has no away mode"
            raise UsageError(msg, remedy="set away.enabled = true in its configuration and restart it")
        with self._lock:
            if self._switch.set(on, datetime.now(LOCAL)):
                log.info("away mode: switched %s", "on" if on else "off")
            self._apply(self._switch)
        return self.describe_away()

    # Patterns, on the engine's thread

    def take_pattern(self, source: str, pattern: Pattern, utc: Callable[[int], datetime]) -> None:
        """Take a pattern of a source; `utc` gives the time of a sample index."""
        if pattern.name == SOUND and not self._armed:
            return
        if pattern.reason:
            self._metrics.patterns_suppressed.labels(source, pattern.reason).inc()
            detail = f" ({pattern.detail})" if pattern.detail else ""
            log.info("source %s: %s suppressed: %s%s", source, pattern.name, pattern.reason, detail)
            return
        self._metrics.patterns.labels(source, pattern.name).inc()
        log.info("source %s: %s, confidence %.2f", source, pattern.name, pattern.confidence)
        self._trigger_actions(source, pattern, utc(pattern.onsets[-1]))
        self._record(source, pattern, utc)

    def _trigger_actions(self, source: str, pattern: Pattern, last: datetime) -> None:
        gaps_ms = pattern.compute_intervals_ms(self._messages.rate_hz)
        trigger = Trigger(pattern.name, source, last.astimezone(timezone.utc), pattern.confidence, gaps_ms)
        self._runner.run(self._actions[pattern.name], trigger)
        if self._settings.mqtt.enabled and pattern.name != SOUND:
            self._publisher.publish_expiring(
                self._topics.clap(source),
                dumps(pattern_message(pattern.name, last, gaps_ms, pattern.confidence)).encode(),
                qos=1,
                retain=False,
                expire_s=self._settings.claps.expire_s,
                on_done=_make_failure_logger(source, pattern.name),
            )

    def _record(self, source: str, pattern: Pattern, utc: Callable[[int], datetime]) -> None:
        """Queue the pattern for the history.

        The message of a sound, unlike that of claps, waits there for an absent broker.
        """
        first, context = utc(pattern.onsets[0]), self._messages.make_context(source)

        def make(stamp: Stamp) -> dict[str, Any]:
            return pattern_event(pattern, context, stamp, first=first, rate_hz=self._messages.rate_hz)

        durable = self._settings.mqtt.enabled and pattern.name == SOUND
        topic = self._topics.clap(source) if durable else None
        self._recorder.put_pattern(make, topic=topic, body=_make_message, on_recorded=self._publisher.wake)


def _make_message(event: Mapping[str, Any]) -> bytes:
    """Return the payload of the clap topic from the CloudEvent of a sound.

    As it may be late, it tells whether the clock was synchronised.
    """
    data = event["data"]
    last = parse_rfc3339(event["time"])
    message = pattern_message(data["label"], last, data["intervals_ms"], data["confidence"])
    return dumps({**message, "clock_synced": data["clock"]["synced"]}).encode()


def _make_failure_logger(source: str, name: str) -> Callable[[str], None]:
    def on_done(why: str) -> None:
        if why:
            log.warning("source %s: %s was not published: %s", source, name, why)

    return on_done
