"""Every error as `application/problem+json` (RFC 9457): one clear sentence, never a traceback."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from edge import errors
from edge.api.encode import NodeJson

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastapi import FastAPI
    from starlette.requests import Request

MEDIA_TYPE = "application/problem+json"
_STATUS: tuple[tuple[type[errors.TocsinError], int], ...] = (
    (errors.EmptyInput, 400),
    (errors.NotAudio, 415),
    (errors.BrokenAudio, 422),
    (errors.TooLarge, 413),
    (errors.DataError, 422),
    (errors.UsageError, 422),
    (errors.Busy, 429),
    (errors.InputMissing, 404),
    (errors.Unavailable, 503),
    (errors.StorageError, 503),
    (errors.ConfigError, 503),
)
"""The first class that fits decides; anything else is a fault of Tocsin's own."""

CLIENT_CLOSED_REQUEST = 499
"""The status that nobody reads, for the count: the client left before its answer."""

_COME_AGAIN = {429, 503}

PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "Why there is no answer, as RFC 9457 has it.",
    "required": ["type", "title", "status", "detail", "instance"],
    "properties": {
        "type": {"type": "string", "description": "what went wrong, as a URI"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "one sentence: what, and what to do"},
        "instance": {"type": "string", "description": "the path that was asked for"},
    },
    "examples": [
        {
            "type": "urn:tocsin:problem:usage-error",
            "title": "Usage error",
            "status": 422,
            "detail": "Query parameter label: there is no label 'sirn'; did you mean 'siren'?",
            "instance": "/events",
        }
    ],
}
"""The schema of every error; in the description a component of that name."""

_WHEN = {
    400: "the upload is empty or cannot be read",
    401: "the token is missing or wrong",
    403: "a page of another site may not do this",
    404: "there is no such thing",
    408: "the body came too slowly",
    409: "the configuration of the node is against it",
    413: "too many bytes, or too long a recording",
    415: "not the right kind of body",
    416: "the recording has no such part",
    421: "the node does not answer by this name",
    422: "a value, a parameter or a recording cannot be used",
    429: "too many at a time, or too many wrong tokens; `Retry-After` says when to come again",
    500: "Tocsin itself failed; its log says why",
    503: "not at the moment; `Retry-After` says when to come again",
}


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI entries of the errors a route answers with."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": _WHEN[status], "content": content} for status in statuses}


def problem(
    status: int,
    detail: str,
    instance: str,
    *,
    kind: str | None = None,
    headers: Mapping[str, str] | None = None,
    **more: object,
) -> NodeJson:
    """Return the answer for one error; `kind` is in lower-case words, `more` are extension members."""
    body = {
        "type": f"urn:tocsin:problem:{kind.replace(' ', '-')}" if kind else "about:blank",
        "title": kind.capitalize() if kind else HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "instance": instance,
        **more,
    }
    return NodeJson(body, status, headers, MEDIA_TYPE)


async def _tocsin(request: Request, error: errors.TocsinError) -> NodeJson:
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), 500)
    kind = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(error).__name__).lower()
    headers = {"Retry-After": "5"} if status in _COME_AGAIN else {}
    headers |= getattr(error, "headers", {})
    return problem(status, sentence(error), request.url.path, kind=kind, headers=headers)


def sentence(error: errors.TocsinError) -> str:
    """Return an error in one sentence for people."""
    text = str(error)
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "?")) else ".")


async def _http(request: Request, error: HTTPException) -> NodeJson:
    path, plain = request.url.path, HTTPStatus(error.status_code).phrase
    detail = error.detail
    if detail == plain and error.status_code == HTTPStatus.NOT_FOUND:
        detail = f"There is nothing at {path}; /docs lists what there is."
    elif detail == plain and error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        # Each route allows its own method alone; the description has them all.
        methods = request.app.openapi()["paths"].get(path) or (error.headers or {}).get("Allow", "").split(", ")
        allowed = ", ".join(method.upper() for method in methods)
        detail = f"{path} does not answer {request.method}; use {allowed}."
        return problem(error.status_code, detail, path, headers={"Allow": allowed})
    return problem(error.status_code, detail, path, headers=error.headers)


async def _validation(request: Request, error: RequestValidationError) -> NodeJson:
    faults = [_fault(fault) for fault in error.errors()]
    return problem(422, "; ".join(faults) + ".", request.url.path)


def _fault(fault: Mapping[str, Any]) -> str:
    where, *names = (str(part) for part in fault["loc"])
    value = str(fault.get("input"))[:80]
    return f"{where} parameter {'.'.join(names)}: {fault['msg']}, not {value!r}"


def _gone(_: Request, __: ClientDisconnect) -> Response:
    return Response(status_code=CLIENT_CLOSED_REQUEST)


def install(app: FastAPI) -> None:
    """Make `app` answer every error as a problem, on its own thread: others are not to be had while it stops."""
    app.exception_handler(errors.TocsinError)(_tocsin)
    app.exception_handler(HTTPException)(_http)
    app.exception_handler(RequestValidationError)(_validation)
    app.exception_handler(ClientDisconnect)(_gone)
