"""Figures about uploads, on the node's registry while the application runs."""

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
"""Those that are counted from the start, so that the first of them is an increase; 499: the client left."""
_SECONDS = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)


class UploadMeters:
    """How many uploads were answered how, how long they took, and how many there are now."""

    def __init__(self, worker: UploadWorker) -> None:
        """Count nothing yet."""
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
    def shown(self, registry: CollectorRegistry) -> Iterator[None]:
        """Have the figures on `registry` for a while; an application that never ran leaves no trace there."""
        meters = (self.requests, self.seconds, self._now)
        for meter in meters:
            registry.register(meter)
        try:
            yield
        finally:
            for meter in meters:
                registry.unregister(meter)


class CountRequests:
    """ASGI middleware that counts the answers to uploads by status, refused ones included."""

    def __init__(self, app: ASGIApp, meters: UploadMeters) -> None:
        self._app = app
        self._requests = meters.requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._requests.labels(code=str(message["status"])).inc()
            await send(message)

        ours = scope["type"] == "http" and scope["path"] == CLASSIFY_PATH and scope["method"] == "POST"
        await self._app(scope, receive, counted if ours else send)
