"""Construction of a node from its settings: the only place that knows every part."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, ProcessCollector

from edge import __version__
from edge.audio.runner import SourceRunner
from edge.inference.library import Library
from edge.inference.load import load_classifier
from edge.node.active import ActiveSettings
from edge.node.commands import AWAY_SET, Commands, DetectSwitch
from edge.node.dispatcher import Dispatcher, Watchdog
from edge.node.engine import Engine
from edge.node.gauges import MachineGauges, NodeCollector, NodeGauges
from edge.node.messages import Messages
from edge.node.node import Node
from edge.node.outputs import Outputs
from edge.node.reactions import Reactions
from edge.node.recorder import Recorder
from edge.node.retained import States
from edge.node.stream import History, Stream
from edge.node.watcher import Watcher
from edge.node.web import NodeWeb
from edge.pipeline.build import build_pipeline, check_bundle, load_clap_network
from edge.publish.mqtt import MqttPublisher
from edge.publish.publisher import NullPublisher
from edge.publish.topics import slug
from edge.settings.secrets import read_secret
from edge.store import Store
from edge.telemetry import Metrics

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edge.inference.onnx import OnnxClassifier
    from edge.pipeline.pipeline import Pipeline
    from edge.publish.publisher import Publisher
    from edge.settings.tree import Settings


def build_node(settings: Settings, *, state_dir: Path, on_finished: Callable[[], None] = lambda: None) -> Node:
    """Open the history, load the networks and return a node that does not run yet.

    `on_finished` is called once all sources have ended. Raises `StorageError` for an unusable folder, `BundleError` if
    no model works, and `ConfigError` for settings that do not match the model.
    """
    store = _open_store(settings, state_dir)
    try:
        return _Builder(settings, state_dir, store).build(on_finished)
    except BaseException:
        store.close()
        raise


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


class _Builder:
    """Builder of one node, with the parts on which others depend."""

    def __init__(self, settings: Settings, state_dir: Path, store: Store) -> None:
        """Load the networks and reduce the settings to the labels of the one in use."""
        self.state_dir, self.store = state_dir, store
        self.library = Library(state_dir)
        self.classifier, replaced = _load_classifier(settings, self.library, state_dir)
        self.active = ActiveSettings(settings, self.classifier.bundle, replaced=replaced)
        self.settings = self.active.settings
        self.clap_network = load_clap_network(self.settings, self.library)
        self.metrics = Metrics(CollectorRegistry())
        node = self.settings.node.id or slug(socket.gethostname())
        self.messages = Messages(node, self.active, self.classifier)
        self.commands = Commands()
        self.engine = self._make_engine()

    def build(self, on_finished: Callable[[], None]) -> Node:
        """Return the node."""
        outputs = self._make_outputs()
        self.engine.set_receiver(Dispatcher(self.active, outputs, Watchdog(self.engine.stats), on_finished))
        switches = [
            DetectSwitch(stream, enabled=source.enabled, store=self.store, states=outputs.states)
            for stream, source in zip(self.engine.streams, self.settings.sources, strict=True)
        ]
        for switch in switches:
            self.commands.add(switch.suffix, switch.set)
        self.commands.add(AWAY_SET, outputs.reactions.set_away)
        web = NodeWeb(self.active, self.engine, outputs, self.classifier, self.library, self.state_dir)
        self._register_metrics(outputs, web)
        watcher = Watcher(self.engine, outputs)
        return Node(self.active, self.messages, self.engine, outputs, switches, watcher, web)

    def _make_engine(self) -> Engine:
        wake = threading.Event()
        streams = [self._make_stream(source.name, source.spec, wake) for source in self.settings.sources]
        max_batch = self.settings.model.max_batch
        return Engine(streams, self.classifier, wake, metrics=self.metrics, max_batch=max_batch)

    def _make_stream(self, name: str, spec: str, wake: threading.Event) -> Stream:
        def renew() -> Pipeline:
            settings = self.active.settings
            return build_pipeline(self.classifier.bundle, settings, source=name, clap_network=self.clap_network)

        pipeline, privacy = renew(), self.settings.privacy
        rate_hz = pipeline.params.sample_rate_hz
        seconds = privacy.clip_before_s + privacy.clip_max_s + pipeline.params.window_s
        history = History(seconds, rate_hz) if privacy.keep_clips else None
        return Stream(SourceRunner(name, spec, rate_hz=rate_hz, wake=wake), pipeline, renew, history)

    def _make_outputs(self) -> Outputs:
        publisher = self._make_publisher()
        states = States(publisher, self.settings, self.messages.topics, self.active.rules, self._describe_node)
        recorder = Recorder(
            self.store,
            self.metrics,
            self.messages,
            on_recorded=states.publish_event,
            on_closed=states.switch_off,
            on_caught_up=states.wake_publisher,
        )
        reactions = Reactions(
            self.settings,
            self.messages,
            publisher=publisher,
            store=self.store,
            recorder=recorder,
            metrics=self.metrics,
            on_armed=self.engine.rearm,
        )
        return Outputs(self.store, self.metrics, publisher, states, recorder, reactions)

    def _describe_node(self) -> dict[str, object]:
        return self.messages.describe_node(self.engine.stats())

    def _make_publisher(self) -> Publisher:
        mqtt, node = self.settings.mqtt, self.messages.topics.node
        if not mqtt.enabled:
            return NullPublisher()
        password = read_secret(mqtt.password, mqtt.password_file, "mqtt_password")
        return MqttPublisher(mqtt, node, self.store, on_command=self.commands.execute, password=password)

    def _register_metrics(self, outputs: Outputs, web: NodeWeb) -> None:
        """Register all metrics."""
        model, stats = self.messages.model, self.engine.stats
        self.metrics.set_build_info(__version__, model.id, model.sha256, model.provider)
        self.active.declare(self.metrics)
        for collector in (
            NodeCollector(stats, self.store, *outputs.states.figures, faulty_scores=self._count_faulty_scores),
            NodeGauges(stats, self.engine.read_levels_db, web.ready),
            MachineGauges(self.state_dir),
        ):
            self.metrics.registry.register(collector)
        ProcessCollector(registry=self.metrics.registry)

    def _count_faulty_scores(self) -> int:
        """Return the number of scores that were not finite."""
        return sum(network.faulty_scores for network in (self.classifier, self.clap_network) if network)


def _load_classifier(settings: Settings, library: Library, state_dir: Path) -> tuple[OnnxClassifier, bool]:
    """Return the wanted network, or the best that works, and whether it is a replacement."""
    model = settings.model
    candidates = library.resolve(model.bundle)
    classifier = load_classifier(
        candidates,
        check=check_bundle,
        provider=model.provider,
        threads=model.threads,
        cache_dir=model.cache_dir or state_dir / "tensorrt",
    )
    return classifier, classifier.bundle.path != candidates[0]
