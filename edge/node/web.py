"""Answers of a node to the web server and the terminal."""

from __future__ import annotations

import contextlib
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from edge.api.answers import read_clip_answer
from edge.api.records import ActiveModel, AwayStatus, BrokerStatus, BundleEntry
from edge.node.health import not_ready, source_status
from edge.pipeline.clip import ClipClassifier
from edge.settings.secrets import mask_settings, read_secret
from edge.store import free_bytes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from prometheus_client import CollectorRegistry

    from edge.api.answers import ClipAnswer, CloudEvent, LiveFrame
    from edge.api.records import SourceStatus
    from edge.api.server import ApiServer
    from edge.inference.library import Library
    from edge.inference.onnx import OnnxClassifier
    from edge.node.active import ActiveSettings
    from edge.node.engine import Engine
    from edge.node.outputs import Outputs
    from edge.settings.tree import Api
    from edge.store import Store


@dataclass(frozen=True)
class NodeWeb:
    """The answers of a running node (`edge.api.ports.NodeApi`). Thread-safe."""

    active: ActiveSettings
    engine: Engine
    outputs: Outputs
    classifier: OnnxClassifier
    library: Library
    state_dir: Path

    @property
    def registry(self) -> CollectorRegistry:
        """The node's metrics."""
        return self.outputs.metrics.registry

    @property
    def store(self) -> Store:
        """The history."""
        return self.outputs.store

    def sources(self) -> list[SourceStatus]:
        """Return every source's state."""
        return [source_status(stream, self.classifier.bundle.labels) for stream in self.engine.streams]

    def model(self) -> ActiveModel:
        """Return the model in use."""
        bundle = self.classifier.bundle
        return ActiveModel(
            **asdict(self.classifier.info),
            labels=list(bundle.labels),
            alerts=list(self.active.rules),
            window_s=round(bundle.params.window_s, 3),
            measured=bundle.manifest.get("measured", {}),
        )

    def models(self) -> list[BundleEntry]:
        """Return the bundles on this device."""
        active = str(self.classifier.bundle.path)
        return [
            BundleEntry(**{**entry, "active": entry["path"] == active}) for entry in self.library.describe_bundles()
        ]

    def patterns(self) -> list[str]:
        """Return the names of the clap patterns."""
        return list(self.active.settings.claps.patterns)

    def config(self) -> dict[str, Any]:
        """Return the effective settings with secrets masked."""
        return mask_settings(self.active.settings)

    def ready(self) -> list[str]:
        """Return the reasons why the node is not ready, if any."""
        return not_ready(
            self.engine.stats(),
            engine_alive=self.engine.alive,
            outbox=self._outbox(),
            recorder_problem=self.outputs.recorder.problem,
            free_mb=free_bytes(self.state_dir) >> 20,
            min_free_mb=self.active.settings.storage.min_free_mb,
            refused=tuple(self.outputs.publisher.refused.items()),
        )

    def mqtt(self) -> BrokerStatus:
        """Return the connection to the broker and what waits for it."""
        mqtt = self.active.settings.mqtt
        waiting, oldest_s = self._outbox()
        return BrokerStatus(
            enabled=mqtt.enabled,
            connected=self.outputs.states.connected,
            broker=f"{mqtt.host}:{mqtt.port}",
            waiting=waiting,
            oldest_s=round(oldest_s, 1),
        )

    def _outbox(self) -> tuple[int, float]:
        """Return the number of waiting messages, and the oldest one's age in seconds."""
        return self.store.outbox_stats() if self.active.settings.mqtt.enabled else (0, 0.0)

    def away(self) -> AwayStatus:
        """Return the away mode."""
        return AwayStatus(**self.outputs.reactions.describe_away())

    def set_away(self, on: bool) -> AwayStatus:  # noqa: FBT001 - the state itself
        """Switch the away mode and return it; raises `UsageError` where the node has none."""
        return AwayStatus(**self.outputs.reactions.set_away(on))

    def subscribe_events(self, callback: Callable[[CloudEvent], None]) -> Callable[[], None]:
        """Call `callback` with every CloudEvent after its commit; return a function to unsubscribe."""
        return self.store.subscribe(callback)

    def subscribe_live(self, callback: Callable[[LiveFrame], None]) -> Callable[[], None]:
        """Call `callback` with every live frame; return a function to unsubscribe."""
        self.engine.live_listeners.append(callback)

        def unsubscribe() -> None:
            with contextlib.suppress(ValueError):
                self.engine.live_listeners.remove(callback)

        return unsubscribe

    def classify(
        self, path: Path, *, hop_s: float | None, top_k: int | None, threshold: float | None, max_s: float
    ) -> ClipAnswer:
        """Classify an uploaded recording."""
        clips = ClipClassifier(self.classifier, self.active.settings.detection)
        return read_clip_answer(clips.classify(path, hop_s=hop_s, top_k=top_k, threshold=threshold, max_s=max_s))


def start_server(web: NodeWeb, api: Api) -> ApiServer:
    """Start the web server; raises `Unavailable` if the port is taken."""
    from edge.api.app import create_app  # noqa: PLC0415 - FastAPI is loaded once audio is running
    from edge.api.server import ApiServer  # noqa: PLC0415

    settings = web.active.settings
    app = create_app(
        web,
        api,
        token=read_secret(api.token, api.token_file, "api_token"),
        upload_dir=web.state_dir,
        min_free_mb=settings.storage.min_free_mb,
        metrics=settings.telemetry.enabled,
    )
    server = ApiServer(app, api)
    server.start()
    return server
