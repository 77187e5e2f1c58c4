"""`tocsin away`: state and switch of the running node's away mode."""

from __future__ import annotations

import http.client
import json
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from edge.cli.common import find_secret, print_json, print_text, read_settings
from edge.clock import parse_rfc3339
from edge.errors import ConfigError, Forbidden, TocsinError, Unavailable, UsageError, reason_of
from edge.jsontext import dumps

if TYPE_CHECKING:
    from pathlib import Path

    from edge.settings.tree import Api

_TIMEOUT_S = 10.0
_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - for a node that listens on every address


def switch_away(wanted: str, config: Path | None, url: str | None, *, as_json: bool) -> int:
    """Switch the away mode and print its new state.

    `wanted` is `on`, `off`, or `status`, which switches nothing.
    """
    api = read_settings(config).api
    token = find_secret(api.token, api.token_file, "api_token")
    body = None if wanted == "status" else dumps({"state": wanted.upper()})
    state = _request(_build_url(api) if url is None else url, token, body)
    if as_json:
        print_json(state)
    else:
        print_text(_describe_state(state))
    return 0


def _build_url(api: Api) -> str:
    if not api.enabled:
        msg = "the node's API is switched off"
        raise ConfigError(msg, where="api.enabled", remedy="set it to true, or name another node with --url")
    if api.port == 0:
        msg = "only the node knows its port, because the setting is 0"
        raise UsageError(msg, where="api.port", remedy="name it with --url, such as http://127.0.0.1:8080")
    host = _LOOPBACK.get(api.host, api.host)
    return f"http://{f'[{host}]' if ':' in host else host}:{api.port}"


def _request(url: str, token: str | None, body: str | None) -> dict[str, Any]:
    """Send GET, or PUT with a body, and return the answer.

    Raises `Unavailable`, or the error that the node answers with.
    """
    connection, path = _connect(url)
    headers = {"Accept": "application/json"}
    if body is not None:
        headers["Content-Type"] = "application/json"
    if token:
        headers["Authorization"] = f"Bearer {token}"
    try:
        connection.request("GET" if body is None else "PUT", f"{path}/away", body, headers)
        answer = connection.getresponse()
        status, content = answer.status, answer.read()
    except (OSError, http.client.HTTPException, UnicodeError) as exc:
        msg = f"no node answers ({reason_of(exc)})"
        raise Unavailable(msg, where=url, remedy="start 'tocsin run', or name another node with --url") from exc
    finally:
        connection.close()
    return _parse_answer(url, status, content)


def _connect(url: str) -> tuple[http.client.HTTPConnection, str]:
    """Return a connection without a proxy, and the path prefix of the node."""
    kinds = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}
    msg = "this is not an address such as http://127.0.0.1:8080"
    try:
        parts = urlsplit(url)
        if not parts.hostname or parts.scheme not in kinds:
            raise UsageError(msg, where=f"--url {url}")
        return kinds[parts.scheme](parts.hostname, parts.port, timeout=_TIMEOUT_S), parts.path.rstrip("/")
    except (ValueError, http.client.InvalidURL) as exc:
        raise UsageError(msg, where=f"--url {url}") from exc


def _parse_answer(url: str, status: int, content: bytes) -> dict[str, Any]:
    """Return the JSON object of an answer; raise the error that it reports."""
    try:
        answer = json.loads(content)
    except ValueError:
        answer = None
    wanted = "state" if status == http.client.OK else "detail"
    if not isinstance(answer, dict) or wanted not in answer:
        msg = f"the server there is not a node of this version (status {status})"
        raise Unavailable(msg, where=url, remedy="check --url")
    if status == http.client.OK:
        return answer
    kinds: dict[int, type[TocsinError]] = {401: Forbidden, 403: Forbidden, 409: ConfigError, 421: Forbidden}
    detail, remedy = str(answer["detail"]), ""
    if status == http.client.UNAUTHORIZED:
        detail, remedy = "the node refuses this token", "set api.token_file as in the node's configuration"
    raise kinds.get(status, Unavailable)(detail, where=url, remedy=remedy)


def _describe_state(state: dict[str, Any]) -> str:
    if not state["enabled"]:
        return "away: not enabled; set away.enabled = true"
    if state["state"] == "OFF":
        return "away: off"
    if state["arming_until"]:
        until: datetime = parse_rfc3339(state["arming_until"]).astimezone()
        return f"away: on, listens from {until:%H:%M:%S}"
    return f"away: on, {'quiet hours: nothing is reported' if state['quiet'] else 'listening'}"
