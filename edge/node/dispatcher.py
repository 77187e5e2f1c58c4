"""Distribution of the engine's findings to history, broker and actions."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from edge import systemd
from edge.node.eventlog import log_event
from edge.node.receiver import Receiver
from edge.telemetry import is_up

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edge.node.active import ActiveSettings
    from edge.node.outputs import Outputs
    from edge.node.stream import Stream
    from edge.types import Event, Level, Pattern, SourceStats


class Dispatcher(Receiver):
    """Receiver that passes the engine's findings to the outputs."""

    def __init__(
        self, active: ActiveSettings, outputs: Outputs, watchdog: Watchdog, on_finished: Callable[[], None]
    ) -> None:
        """Take the outputs; `on_finished` is called once all sources have ended."""
        self._active, self._outputs = active, outputs
        self._watchdog, self._on_finished = watchdog, on_finished

    def take_event(self, stream: Stream, event: Event) -> None:
        """Log and record a message, the last one with its clip if kept."""
        log_event(stream.name, event, stream.pipeline.params.sample_rate_hz)
        rule = self._active.rules.get(event.label)
        wanted = rule is not None and rule.save_clip
        clip = stream.update_clip(event, self._active.settings.privacy) if wanted else None
        self._outputs.recorder.put(stream.name, event, stream.runner.timeline.utc, clip)

    def take_pattern(self, stream: Stream, pattern: Pattern) -> None:
        """Pass a pattern to the reactions."""
        self._outputs.reactions.take_pattern(stream.name, pattern, stream.runner.timeline.utc)

    def take_level(self, stream: Stream, level: Level) -> None:
        """Publish a level, if enabled in the settings."""
        if self._active.settings.level.enabled:
            dur_s = (level.end - level.start) / stream.pipeline.params.sample_rate_hz
            self._outputs.states.publish_level(stream.name, level, stream.runner.timeline.utc(level.start), dur_s)

    def end_turn(self, *, moved: bool) -> None:
        """Feed systemd's watchdog."""
        self._watchdog.feed(moved=moved)

    def finish(self) -> None:
        """Report that all sources have ended."""
        self._on_finished()


class Watchdog:
    """The watchdog of systemd, notified while the engine works."""

    def __init__(self, stats: Callable[[], Sequence[SourceStats]]) -> None:
        """Take a function that returns the sources' stats."""
        self._stats = stats
        self._interval_s, self._fed_s = systemd.read_watchdog_interval_s(), 0.0

    def feed(self, *, moved: bool) -> None:
        """Notify systemd if audio `moved` or no source is up.

        This is at most four times per interval.
        """
        if self._interval_s is None:
            return
        now_s = time.monotonic()
        # Without a source there is no audio to move, and systemd must not kill the service for that.
        if (moved or not any(is_up(stats.state) for stats in self._stats())) and (
            now_s - self._fed_s >= self._interval_s / 4
        ):
            self._fed_s = now_s
            systemd.notify("WATCHDOG=1")
