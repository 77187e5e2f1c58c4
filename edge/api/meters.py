"""Metrics of uploads."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from prometheus_client import Counter, Gauge, Histogram

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client import CollectorRegistry
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from edge.api.worker import UploadWorker

CLASSIFY_PATH = "/classify"
_CODES = ("200", "400", "401", "403", "408", "413", "415", "421", "422", "429", "499", "500", "503")
"""HTTP statuses with a counter from the start; 499: the client disconnected."""
_SECONDS = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)


class UploadMeters:
    """Number of uploads by HTTP status, their times, and the number in progress."""

    def __init__(self, worker: UploadWorker) -> None:
        """Create the metrics; none is registered yet."""
        self.requests = Counter(
            "tocsin_classify_requests", "Uploads answered, by HTTP status.", ["code"], registry=None
        )
        for code in _CODES:
            self.requests.labels(code=code)
        self.seconds = Histogram(
            "tocsin_classify_seconds",
            "Seconds from the last byte of an upload to its answer.",
            registry=None,
            buckets=_SECONDS,
        )
        self._now = Gauge("tocsin_classify_uploads", "Uploads received, waiting or worked on now.", registry=None)
        self._now.set_function(lambda: worker.taken)

    @contextmanager
    def register(self, registry: CollectorRegistry) -> Iterator[None]:
        """Register the metrics at `registry` while the application runs."""
        meters = (self.requests, self.seconds, self._now)
        for meter in meters:
            registry.register(meter)
        try:
            yield
        finally:
            for meter in meters:
                registry.unregister(meter)


class CountRequests:
    """ASGI middleware that counts answers to uploads by status, refusals included."""

    def __init__(self, app: ASGIApp, meters: UploadMeters) -> None:
        self._app = app
        self._requests = meters.requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""

        async def send_and_count(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._requests.labels(code=str(message["status"])).inc()
            await send(message)

        ours = scope["type"] == "http" and scope["path"] == CLASSIFY_PATH and scope["method"] == "POST"
        await self._app(scope, receive, send_and_count if ours else send)
