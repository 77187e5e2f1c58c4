"""Errors as `application/problem+json` (RFC 9457): one sentence, no traceback."""

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
"""HTTP status by class of error; the first match counts, any other error is 500."""

CLIENT_CLOSED_REQUEST = 499
"""Status of a request whose client disconnected before the answer; for the metrics."""

_COME_AGAIN = {429, 503}

PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "An error (RFC 9457).",
    "required": ["type", "title", "status", "detail", "instance"],
    "properties": {
        "type": {"type": "string", "description": "class of the error, as a URI"},
        "title": {"type": "string", "description": "class of the error in words"},
        "status": {"type": "integer", "description": "HTTP status"},
        "detail": {"type": "string", "description": "one sentence: error and remedy"},
        "instance": {"type": "string", "description": "path of the request"},
        "reasons": {
            "type": "array",
            "items": {"type": "string"},
            "description": "of `/readyz`: every reason why the node is not ready",
        },
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
"""JSON Schema of every error; the component `Problem` of the description."""

_WHEN = {
    400: "the upload is empty or cannot be read",
    401: "the token is missing or wrong",
    403: "the request comes from a page of another site",
    404: "not found",
    408: "the body of the request came too slowly",
    409: "the configuration of the node does not allow it",
    413: "too many bytes, or too long a recording",
    415: "the content type is not supported",
    416: "the range is beyond the end of the clip",
    421: "the node does not answer to this host name",
    422: "a value, a parameter or a recording is invalid",
    429: "too many requests or wrong tokens; `Retry-After` gives the seconds to wait",
    500: "internal error; the log of the node has the details",
    503: "temporarily unavailable; `Retry-After` gives the seconds to wait",
}


def describe_errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI entries of the errors of a route."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": _WHEN[status], "content": content} for status in statuses}


def make_problem(
    status: int,
    detail: str,
    instance: str,
    *,
    kind: str | None = None,
    headers: Mapping[str, str] | None = None,
    **more: object,
) -> NodeJson:
    """Return the answer for one error.

    `kind` is the class of the error in lower-case words; `more` are extension members.
    """
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
    return make_problem(status, to_sentence(error), request.url.path, kind=kind, headers=headers)


def to_sentence(error: errors.TocsinError) -> str:
    """Return an error in one sentence for people."""
    text = str(error)
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "?")) else ".")


async def _http(request: Request, error: HTTPException) -> NodeJson:
    path, plain = request.url.path, HTTPStatus(error.status_code).phrase
    detail = error.detail
    if detail == plain and error.status_code == HTTPStatus.NOT_FOUND:
        detail = f"There is nothing at {path}; /docs lists what there is."
    elif detail == plain and error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        # A route knows its own method only; the description has all methods of a path.
        methods = request.app.openapi()["paths"].get(path) or (error.headers or {}).get("Allow", "").split(", ")
        allowed = ", ".join(method.upper() for method in methods)
        detail = f"{path} does not answer {request.method}; use {allowed}."
        return make_problem(error.status_code, detail, path, headers={"Allow": allowed})
    return make_problem(error.status_code, detail, path, headers=error.headers)


async def _validation(request: Request, error: RequestValidationError) -> NodeJson:
    faults = [_fault(fault) for fault in error.errors()]
    return make_problem(422, "; ".join(faults) + ".", request.url.path)


def _fault(fault: Mapping[str, Any]) -> str:
    where, *names = (str(part) for part in fault["loc"])
    value = str(fault.get("input"))[:80]
    return f"{where} parameter {'.'.join(names)}: {fault['msg']}, not {value!r}"


def _gone(_: Request, __: ClientDisconnect) -> Response:
    return Response(status_code=CLIENT_CLOSED_REQUEST)


def install(app: FastAPI) -> None:
    """Add the error handlers to `app`.

    They are coroutines: the thread pool is not available during shutdown.
    """
    app.exception_handler(errors.TocsinError)(_tocsin)
    app.exception_handler(HTTPException)(_http)
    app.exception_handler(RequestValidationError)(_validation)
    app.exception_handler(ClientDisconnect)(_gone)
