"""The web application: routes, middleware and error handlers of one node."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio.to_thread
from fastapi import Depends, FastAPI
from starlette.middleware import Middleware

import edge
from edge.api import away, classify, description, events, health, live, login, pages, problems, security
from edge.api import node as about
from edge.api.authenticator import Authenticator
from edge.api.deadline import Deadline
from edge.api.encode import NodeJson
from edge.api.head import HeadAsGet
from edge.api.linger import LingeringClose
from edge.api.meters import CountRequests, UploadMeters
from edge.api.problems import describe_errors
from edge.api.query import refuse_unknown
from edge.api.streams import Streams
from edge.api.upload import Uploads
from edge.api.worker import UploadWorker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from edge.api.ports import NodeApi
    from edge.settings.tree import Api

_THREADS = 4
"""For reading the history and the node's state: enough for a page, few enough for a small box."""
_ABOUT = (
    "Errors are `application/problem+json` (RFC 9457). Times are RFC 3339 in UTC. "
    "A node with a token wants `Authorization: Bearer TOKEN`."
)


def create_app(
    node: NodeApi,
    settings: Api,
    *,
    token: str | None = None,
    upload_dir: Path | None = None,
    min_free_mb: int = 0,
    metrics: bool = True,
) -> FastAPI:
    """Build the application around `node`; `app.state.streams` are its open streams.

    `token` is the bearer token from a file or a credential; without one `settings.token` counts. Uploads wait as
    unnamed files in `upload_dir`, and leave `min_free_mb` of its disk free. Raises ConfigError for a missing token.
    """
    token = security.require_token(settings, token)
    authenticator = Authenticator(token) if token else None
    worker = UploadWorker(settings.classify_queue)
    meters = UploadMeters(worker)
    app = _make_bare_app(node, settings, meters, authenticator)
    app.state.streams = Streams()
    app.state.worker = worker
    problems.install(app)
    for routes in (
        classify.router(node, settings, worker, meters, Uploads(upload_dir, min_free_mb)),
        live.router(node, app.state.streams),
        events.router(node),
        about.router(node),
        away.router(node),
    ):
        errors = describe_errors(401, 403, 421, 422, 429, 500, 503)
        app.include_router(routes, dependencies=[Depends(refuse_unknown)], responses=errors)
    app.include_router(health.router(node, metrics=metrics))
    app.include_router(pages.router(signs_in=authenticator is not None))
    app.include_router(description.router(app, needs_token=authenticator is not None))
    if authenticator:
        app.include_router(login.router(authenticator))
    return app


def _make_bare_app(node: NodeApi, settings: Api, meters: UploadMeters, authenticator: Authenticator | None) -> FastAPI:
    """Return the application with its middleware, and without routes."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = _THREADS
        with meters.register(node.registry):
            yield

    return FastAPI(
        title="Tocsin",
        version=edge.__version__,
        description=_ABOUT,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
        default_response_class=NodeJson,
        lifespan=lifespan,
        middleware=[
            Middleware(CountRequests, meters=meters),
            Middleware(LingeringClose),
            Middleware(HeadAsGet),
            Middleware(security.Guard, host=settings.host, authenticator=authenticator),
            Middleware(Deadline),
        ],
    )
