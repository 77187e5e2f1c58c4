"""Build a node from its settings and hold its parts together: the one place that knows every part.

Nothing that can be absent (microphone, broker, ffmpeg) stops a node; it is said once and tried again.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np
from prometheus_client import CollectorRegistry, ProcessCollector

from edge import __version__, systemd
from edge.audio.runner import SourceRunner
from edge.build import build_pipeline, load_clap_network
from edge.configfile import masked, secret
from edge.detection.rules import rules_for
from edge.engine import Engine
from edge.errors import TocsinError, UsageError
from edge.eventlog import log_event
from edge.gauges import MachineGauges, NodeGauges
from edge.health import not_ready, source_json
from edge.inference.clip import ClipClassifier, model_info
from edge.inference.fitting import fitting
from edge.inference.library import Library
from edge.inference.load import load_classifier
from edge.publish import topics
from edge.publish.mqtt import MqttPublisher
from edge.publish.payload import EventContext, ModelInfo
from edge.reactions import Reactions
from edge.recorder import Recorder
from edge.settings_reactions import SOUND
from edge.states import States
from edge.stopping import Deadline
from edge.store import Store, free_bytes
from edge.stream import History, Stream
from edge.telemetry import Metrics, NodeCollector, is_up
from edge.types import Phase, SourceState

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from edge.api.server import ApiServer
    from edge.detection.rules import Rule
    from edge.inference.onnx import OnnxClassifier
    from edge.pipeline import Pipeline
    from edge.settings import Settings
    from edge.types import Event, Level, Pattern, SourceStats

log = logging.getLogger("tocsin.service")

STOP_S = 8.5
"""Within which a node stops, whatever hangs: with the end of the process ten seconds, and TimeoutStopSec is longer."""
_SOURCES_STOP_S, _ENGINE_STOP_S, _REST_STOP_S = 1.5, 2.5, 4.0  # of these seconds; the history has what is left
_UPKEEP_S = 60.0
_NO_SOUND = np.empty(0, np.float32)
_POLL_S = 0.25  # how soon a change of a source's state is published


class Node:
    """Everything of one node; also what the web side asks (`edge.api.ports.NodeApi`)."""

    def __init__(self, settings: Settings, *, state_dir: Path) -> None:
        """Open history and network, and put the parts together; nothing runs yet.

        Raises `StorageError` where the folder cannot be used, `BundleError` where no model works.
        """
        self.settings = settings
        self.name = settings.node.id or topics.slug(socket.gethostname())
        self.registry = CollectorRegistry()
        self.store = _open_store(settings, state_dir)
        self._state_dir = state_dir
        self._library = Library(state_dir)
        try:
            self.classifier = self._load(settings)
            self._clap_network = load_clap_network(self.settings, self._library)
            self._rules = self._rules_of(self.settings)
            wake = threading.Event()
            self.streams = [self._stream(source.name, source.spec, wake) for source in settings.sources]
        except TocsinError:
            self.store.close()
            raise
        self._metrics = Metrics(self.registry)
        info = model_info(self.classifier)
        self._metrics.build_info(__version__, info["id"], info["sha256"], info["provider"])
        self._locations = {source.name: source.location for source in settings.sources}
        self._publisher = self._open_publisher() if settings.mqtt.enabled else None
        self._states = States(self._publisher, settings, self.name, self._rules)
        self._recorder = Recorder(
            self.store,
            self._metrics,
            rate_hz=self.classifier.bundle.params.sample_rate_hz,
            context=self._context,
            topic=self._topic,
            on_recorded=self._states.event,
            on_closed=self._states.off,
            on_caught_up=self._states.wake,
        )
        self._reactions = Reactions(
            self.settings,
            self.name,
            publisher=self._publisher,
            store=self.store,
            recorder=self._recorder,
            metrics=self._metrics,
            rate_hz=self.classifier.bundle.params.sample_rate_hz,
            on_armed=self._armed,
        )
        self.engine = Engine(
            self.streams,
            self.classifier,
            wake,
            metrics=self._metrics,
            max_batch=settings.model.max_batch,
            on_event=self._heard,
            on_level=self._level if settings.level.enabled and self._publisher else None,
            on_pattern=self._pattern,
            on_turn=self._turned,
        )
        self._declare()
        for collector in (
            NodeCollector(self.stats, self.store, *self._states.figures, faulty_scores=self._faulty_scores),
            NodeGauges(self.stats, self._levels_db, self.ready),
            MachineGauges(state_dir),
        ):
            self.registry.register(collector)
        ProcessCollector(registry=self.registry)
        self._clips = ClipClassifier(self.classifier, self.settings.detection)
        self._watchdog_s, self._fed = systemd.watchdog_interval_s(), 0.0
        self._api: ApiServer | None = None
        self._stopping = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="watcher", daemon=True)

    def _load(self, settings: Settings) -> OnnxClassifier:
        """Load the wanted bundle or the best that works, and do without what a replacement cannot follow."""
        candidates = self._library.resolve(settings.model.bundle)
        classifier = load_classifier(
            candidates,
            provider=settings.model.provider,
            threads=settings.model.threads,
            cache_dir=settings.model.cache_dir or self._state_dir / "tensorrt",
        )
        self._replaced = classifier.bundle.path != candidates[0]
        self.settings = fitting(settings, classifier.bundle) if self._replaced else settings
        return classifier

    def _rules_of(self, settings: Settings) -> dict[str, Rule]:
        bundle = self.classifier.bundle
        return {rule.label: rule for rule in rules_for(bundle.labels, bundle.thresholds, settings.detection)}

    def _declare(self) -> None:
        """Have the counters of all that may happen be there before it does."""
        settings = self.settings
        patterns = [
            name for name, pattern in settings.claps.patterns.items() if settings.claps.enabled and pattern.enabled
        ]
        patterns += [SOUND] if settings.away.enabled else []
        names = [stream.name for stream in self.streams]
        self._metrics.declare(names, list(self._rules), patterns, list(settings.actions))

    def _stream(self, name: str, spec: str, wake: threading.Event) -> Stream:
        def renew() -> Pipeline:
            return build_pipeline(self.classifier.bundle, self.settings, source=name, clap_network=self._clap_network)

        pipeline = renew()
        rate_hz = pipeline.params.sample_rate_hz
        privacy = self.settings.privacy
        seconds = privacy.clip_before_s + privacy.clip_max_s + pipeline.params.window_s
        history = History(seconds, rate_hz) if privacy.keep_clips else None
        return Stream(SourceRunner(name, spec, rate_hz=rate_hz, wake=wake), pipeline, renew, history)

    def _open_publisher(self) -> MqttPublisher:
        mqtt = self.settings.mqtt
        password = secret(mqtt.password, mqtt.password_file, "mqtt_password")
        return MqttPublisher(mqtt, self.name, self.store, on_command=self._command, password=password)

    def start(self) -> None:
        """Start every part, audio before web and broker."""
        self._states.announce(self._info(), [stream.name for stream in self.streams])
        self._recorder.start()
        self._reactions.start()
        for stream, source in zip(self.streams, self.settings.sources, strict=True):
            wanted = self.store.state_get(f"detect/{stream.name}")
            enabled = source.enabled and wanted != "OFF"
            stream.runner.set_enabled(enabled)
            self._states.detect(stream.name, enabled=enabled)
            stream.runner.start()
        self.engine.start()
        if self._publisher:
            self._publisher.start()
        self._watcher.start()

    def _info(self) -> dict[str, Any]:
        return {
            "model": model_info(self.classifier),
            "labels": list(self.classifier.bundle.labels),
            "alerts": list(self._rules),
            "sources": [{"name": stats.name, "spec": stats.spec} for stats in self.stats()],
            "clock_synced": systemd.clock_synced(),
        }

    def serve_api(self) -> str:
        """Start the web side; return its address. Raises `Unavailable` when the port is taken."""
        from edge.api.app import create_app  # noqa: PLC0415 - FastAPI is loaded once audio is running
        from edge.api.server import ApiServer  # noqa: PLC0415

        api = self.settings.api
        token = secret(api.token, api.token_file, "api_token")
        metrics = self.settings.telemetry.enabled
        min_free_mb = self.settings.storage.min_free_mb
        app = create_app(self, api, token=token, upload_dir=self._state_dir, min_free_mb=min_free_mb, metrics=metrics)
        server = ApiServer(app, api)
        server.start()
        self._api = server
        return server.url

    def stop(self) -> None:
        """Stop every part within `STOP_S`, audio first; every event that was decided is kept."""
        deadline = Deadline(STOP_S)
        self._stopping.set()
        sources = Deadline(_SOURCES_STOP_S)
        for stream in self.streams:  # first ask them all, then wait
            stream.runner.stop(0.0)
        for stream in self.streams:
            stream.runner.stop(sources.left_s())
        self.engine.stop(_ENGINE_STOP_S)
        writing_s = max(1.0, deadline.left_s() - _REST_STOP_S - 1.0)  # and a moment more to give it up
        deadline.stop_together({"history": lambda: self._recorder.stop(writing_s)}, writing_s + 1.0)
        rest: dict[str, Callable[[], object]] = {"actions": lambda: self._reactions.stop(3.0)}
        if self._api:
            rest["web side"] = self._api.stop
        if self._publisher:
            for stream in self.streams:
                self._states.source(stream.name, SourceState.OFFLINE)
            rest["broker"] = self._publisher.stop
        deadline.stop_together(rest, _REST_STOP_S)
        deadline.stop_together({"database": self.store.close}, 1.0)

    def reload(self, settings: Settings) -> list[str]:
        """Take over what can change while running; return the sections that need a restart."""
        live = ("detection", "logging")
        settings = fitting(settings, self.classifier.bundle) if self._replaced else settings
        changed = [
            name for name in type(settings).model_fields if getattr(settings, name) != getattr(self.settings, name)
        ]
        rules = self._rules_of(settings)
        self.settings = self.settings.model_copy(update={name: getattr(settings, name) for name in live})
        self._clips = ClipClassifier(self.classifier, settings.detection)

        def swap() -> None:
            for stream in self.streams:
                for event in stream.pipeline.set_rules(tuple(rules.values()), settings.detection.update_s):
                    self._heard(stream, event)
            self._rules = rules
            self._declare()
            self._states.relabel(rules, [stream.name for stream in self.streams], self._info())

        self.engine.submit(swap)
        return [name for name in changed if name not in live]

    # What the engine tells, on its thread

    def _heard(self, stream: Stream, event: Event) -> None:
        log_event(stream.name, event, stream.pipeline.params.sample_rate_hz)
        self._recorder.put(stream.name, event, stream.runner.timeline.utc, self._clip(stream, event))

    def _pattern(self, stream: Stream, pattern: Pattern) -> None:
        self._reactions.heard(stream.name, pattern, stream.runner.timeline.utc, self._surroundings(stream.name, "info"))

    def _armed(self) -> None:
        """Have what sounds as the away mode begins to listen reported: it counts from now on."""

        def rearm() -> None:
            for stream in self.streams:
                if stream.pipeline.away is not None:
                    stream.pipeline.away.rearm()

        self.engine.submit(rearm)

    def _clip(self, stream: Stream, event: Event) -> NDArray[np.float32] | None:
        """Return an event's sound at its end; it is put by at every message, before the history forgets it."""
        rule = self._rules.get(event.label)
        if stream.history is None or rule is None or not rule.save_clip:
            return None
        privacy, rate_hz = self.settings.privacy, stream.pipeline.params.sample_rate_hz
        begin = max(0, event.onset - round(privacy.clip_before_s * rate_hz))
        end = min(event.end or event.decided, begin + round(privacy.clip_max_s * rate_hz))
        clip = max(stream.clips.pop(event.event_id, _NO_SOUND), stream.history.cut(begin, end), key=len)
        if event.phase is Phase.END:
            return clip
        stream.clips[event.event_id] = clip
        return None

    def _level(self, stream: Stream, level: Level) -> None:
        dur_s = (level.end - level.start) / stream.pipeline.params.sample_rate_hz
        self._states.level(stream.name, level, stream.runner.timeline.utc(level.start), dur_s)

    def _turned(self, moved: bool) -> None:  # noqa: FBT001 - the engine's callback
        if self._watchdog_s is None:
            return
        now = time.monotonic()
        # With every source away there is no audio to move, and that is no reason to be killed.
        if (moved or not any(is_up(stats.state) for stats in self.stats())) and now - self._fed >= self._watchdog_s / 4:
            self._fed = now
            systemd.notify("WATCHDOG=1")

    # What the recorder asks, on its thread

    def _context(self, source: str, event: Event) -> EventContext:
        rule = self._rules.get(event.label)
        return self._surroundings(source, rule.severity if rule else "info")

    def _surroundings(self, source: str, severity: str) -> EventContext:
        return EventContext(
            node=self.name,
            source_name=source,
            location=self._locations.get(source) or self.settings.node.location,
            model=ModelInfo(**model_info(self.classifier)),
            calibrated=self.settings.level.calibration_offset_db is not None,
            clock_synced=systemd.clock_synced(),
            severity=severity,
        )

    def _topic(self, source: str) -> str | None:
        return topics.event(self.settings.mqtt.base, self.name, source) if self._publisher else None

    def _faulty_scores(self) -> int:
        """Return how many scores of the networks were no numbers so far."""
        return sum(network.faulty_scores for network in (self.classifier, self._clap_network) if network)

    # States and commands

    def _watch(self) -> None:
        upkeep = time.monotonic()
        known: dict[str, SourceState] = {}
        started_s: float | None = _process_start_s()
        while not self._stopping.wait(_POLL_S):
            for stats in self.stats():
                if known.get(stats.name) is not stats.state:
                    known[stats.name] = stats.state
                    self._states.source(stats.name, stats.state, up=is_up(stats.state))
            if started_s is not None and self.engine.first_scored_s is not None:
                self._metrics.first_window.set(max(0.0, self.engine.first_scored_s - started_s))
                started_s = None
            self._reactions.tick()
            if time.monotonic() - upkeep >= _UPKEEP_S:
                upkeep = time.monotonic()
                self._recorder.maintain()
                self._states.info(self._info())  # the clock may be synchronized by now

    def _command(self, suffix: str, payload: str) -> None:
        """Obey ``{source}/detect/set`` and ``away/set``; raises `UsageError` for anything else."""
        name, _, rest = suffix.partition("/")
        stream = next((stream for stream in self.streams if stream.name == name), None)
        switches_away = suffix == "away/set"
        if payload not in ("ON", "OFF") or not (switches_away or (stream and rest == "detect/set")):
            msg = "say ON or OFF on away/set or on SOURCE/detect/set of one of this node's sources"
            raise UsageError(msg)
        enabled = payload == "ON"
        if switches_away or stream is None:
            self._reactions.set_away(enabled)
            return
        if self.store.state_get(f"detect/{name}") != payload:  # a write wears the disk
            self.store.state_set(f"detect/{name}", payload)
        stream.runner.set_enabled(enabled)
        self._states.detect(name, enabled=enabled)
        log.info("source %s: detection switched %s over MQTT", name, payload)

    # What the web side asks, on any thread

    def stats(self) -> list[SourceStats]:
        """Return every source's state."""
        return [stream.runner.stats() for stream in self.streams]

    def _levels_db(self) -> dict[str, float]:
        return {stream.name: stream.pipeline.meter.now_db() for stream in self.streams}

    def sources(self) -> list[dict[str, Any]]:
        """Return every source's state as JSON values."""
        return [source_json(stream, self.classifier.bundle.labels) for stream in self.streams]

    def model(self) -> dict[str, Any]:
        """Return the active model."""
        bundle = self.classifier.bundle
        return {
            **model_info(self.classifier),
            "labels": list(bundle.labels),
            "alerts": list(self._rules),
            "window_s": round(bundle.params.window_s, 3),
            "measured": bundle.manifest.get("measured", {}),
        }

    def models(self) -> list[dict[str, Any]]:
        """Return the bundles on this device."""
        active = str(self.classifier.bundle.path)
        return [{**entry, "active": entry["path"] == active} for entry in self._library.entries()]

    def config(self) -> dict[str, Any]:
        """Return the effective settings with secrets masked."""
        return masked(self.settings)

    def ready(self) -> list[str]:
        """Return why the node is not ready; nothing when it is."""
        return not_ready(
            self.stats(),
            engine_alive=self.engine.alive,
            outbox=self.store.outbox_stats() if self._publisher else (0, 0.0),
            recorder_problem=self._recorder.problem,
            free_mb=free_bytes(self._state_dir) >> 20,
            min_free_mb=self.settings.storage.min_free_mb,
            refused=tuple(self._publisher.refused.items()) if self._publisher else (),
        )

    def mqtt(self) -> dict[str, Any]:
        """Return the connection to the broker as JSON values."""
        mqtt = self.settings.mqtt
        waiting, oldest_s = self.store.outbox_stats() if self._publisher else (0, 0.0)
        return {
            "enabled": mqtt.enabled,
            "connected": self._states.connected,
            "broker": f"{mqtt.host}:{mqtt.port}",
            "waiting": waiting,
            "oldest_s": round(oldest_s, 1),
        }

    def away(self) -> dict[str, Any]:
        """Return the away mode as JSON values."""
        return self._reactions.away()

    def set_away(self, on: bool) -> dict[str, Any]:  # noqa: FBT001 - the state itself
        """Switch the away mode and return it; raises `UsageError` where the node has none."""
        return self._reactions.set_away(on)

    def subscribe_events(self, callback: Callable[[dict[str, Any]], None]) -> Callable[[], None]:
        """Have `callback` called with every CloudEvent after its commit; return how to end that."""
        return self.store.subscribe(callback)

    def subscribe_live(self, callback: Callable[[dict[str, Any]], None]) -> Callable[[], None]:
        """Have `callback` called with scores, level and a mel column; return how to end that."""
        self.engine.live_listeners.append(callback)

        def unsubscribe() -> None:
            with contextlib.suppress(ValueError):
                self.engine.live_listeners.remove(callback)

        return unsubscribe

    def classify(
        self, path: Path, *, hop_s: float | None, top_k: int | None, threshold: float | None, max_s: float
    ) -> dict[str, Any]:
        """Classify an uploaded clip."""
        return self._clips.classify(path, hop_s=hop_s, top_k=top_k, threshold=threshold, max_s=max_s)


def _open_store(settings: Settings, state_dir: Path) -> Store:
    storage = settings.storage
    return Store(
        state_dir,
        retention_days=storage.retention_days,
        max_events=storage.max_events,
        outbox_max=storage.outbox_max,
        clips_max_mb=storage.clips_max_mb,
        min_free_mb=storage.min_free_mb,
    )


def _process_start_s() -> float:
    """Return when this process started, on the monotonic clock."""
    with open("/proc/self/stat", encoding="utf-8") as file:  # noqa: PTH123 - not a file of ours
        ticks = int(file.read().rpartition(")")[2].split()[19])
    return ticks / os.sysconf("SC_CLK_TCK") + time.monotonic() - time.clock_gettime(time.CLOCK_BOOTTIME)
