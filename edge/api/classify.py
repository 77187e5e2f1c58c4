"""`POST /classify`: labels and events of an uploaded clip."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from edge.api.answers import ClipAnswer
from edge.api.encode import NodeJson
from edge.api.meters import CLASSIFY_PATH
from edge.api.problems import CLIENT_CLOSED_REQUEST, describe_errors
from edge.api.upload import MIB, receive_upload
from edge.errors import TocsinError

if TYPE_CHECKING:
    from io import FileIO

    from edge.api.meters import UploadMeters
    from edge.api.ports import NodeApi
    from edge.api.upload import Uploads
    from edge.api.worker import UploadWorker
    from edge.settings.tree import Api

_HOP = "seconds between two decisions; a streaming model rounds it up to a multiple of its own step"
_BODY = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["file"],
                "properties": {"file": {"type": "string", "format": "binary"}},
            }
        },
        "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
    },
}


def router(node: NodeApi, settings: Api, worker: UploadWorker, meters: UploadMeters, uploads: Uploads) -> APIRouter:
    """Return the route; `uploads` holds the clips until they are classified."""
    routes = APIRouter(tags=["classify"])

    @routes.post(
        CLASSIFY_PATH,
        response_model=ClipAnswer,
        responses=describe_errors(400, 408, 413, 415),
        openapi_extra={"requestBody": _BODY},
    )
    async def classify(
        request: Request,
        top_k: Annotated[int | None, Query(ge=1, description="how many labels to answer with")] = None,
        hop_s: Annotated[float | None, Query(gt=0.0, le=60.0, allow_inf_nan=False, description=_HOP)] = None,
        threshold: Annotated[
            float | None, Query(ge=0.0, le=1.0, allow_inf_nan=False, description="score that starts an event")
        ] = None,
    ) -> Response:
        """Return the labels and events of an audio file.

        WAV, FLAC, OGG (Vorbis, Opus), MP3, AIFF, AU and CAF; with ffmpeg M4A, WebM and more.
        """
        with worker.reserve_place():
            file = await _receive(request, uploads, settings.max_upload_mb * MIB)
            path = Path(f"/proc/self/fd/{file.fileno()}")

            def job() -> ClipAnswer:
                return _run(node, path, hop_s=hop_s, top_k=top_k, threshold=threshold, max_s=settings.max_clip_s)

            received = time.monotonic()
            future = worker.submit(job)
            future.add_done_callback(lambda _: file.close())
            answer = await _await_answer(request, asyncio.wrap_future(future))
            meters.seconds.observe(time.monotonic() - received)
            return answer

    return routes


async def _receive(request: Request, uploads: Uploads, max_bytes: int) -> FileIO:
    """Write the upload into an unnamed file, which the caller closes."""
    file = uploads.open_unlinked_file()
    try:
        await receive_upload(request, file, max_bytes=max_bytes, reserve=uploads.check_space)
    except BaseException:
        file.close()
        raise
    return file


def _run(node: NodeApi, path: Path, **options: Any) -> ClipAnswer:  # noqa: ANN401 - those of `classify`
    try:
        return node.classify(path, **options)
    except TocsinError as exc:
        if exc.where == str(path):
            exc.where = "the upload"
        raise


async def _await_answer(request: Request, answer: asyncio.Future[ClipAnswer]) -> Response:
    """Wait for the answer; cancel the job when the client leaves."""
    gone = asyncio.ensure_future(request.receive())
    either: set[asyncio.Future[Any]] = {answer, gone}
    try:
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            return Response(status_code=CLIENT_CLOSED_REQUEST)
        return NodeJson(answer.result())
    except asyncio.CancelledError:
        raise HTTPException(503, "The node is shutting down; try again.", {"Retry-After": "10"}) from None
    finally:
        answer.cancel()
        gone.cancel()
