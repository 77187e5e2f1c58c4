"""Webhook actions with a real server."""

from __future__ import annotations

import json
import ssl
import subprocess
import time
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.actions.webhook import _parse_retry_after_s
from tests.actions.conftest import action, trigger
from tests.actions.webhook_server import Response, WebhookServer
from tests.support.listener import until
from tests.support.node import free_port

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SECRET = "s3cret-of-the-hook"


def webhook(url: str, **values: Any) -> Any:
    return action(type="webhook", url=url, **values)


def moved(status: int, url: str) -> Response:
    return Response(status, (("Location", url),))


def test_a_post_carries_the_trigger_and_the_headers(bench: Callable[..., Any]) -> None:
    """The body is JSON, with a login from the address; 201 is a success."""
    with WebhookServer(Response(201)) as hook:
        url = hook.place.replace("//", "//me:p%40ss@") + "/api/claps?key=1"
        done = bench(call=webhook(url, headers={"X-Key": SECRET}))
        heard = trigger("triple", time=datetime.now(timezone.utc))
        assert done.run("call", heard) == ""
        (asked,) = hook.requests
    assert (asked.method, asked.path) == ("POST", "/api/claps?key=1")
    body = json.loads(asked.body)
    assert body.pop("time").startswith(heard.time.isoformat()[:19])
    assert body == {"event": "triple", "source": "mic", "node": "lamp", "intervals_ms": [310], "confidence": 0.912}
    headers = {name.lower(): value for name, value in asked.headers.items()}
    assert headers["x-key"] == SECRET
    assert headers["content-type"] == "application/json"
    assert headers["authorization"] == "Basic bWU6cEBzcw=="


def test_a_body_of_the_users_is_filled_in_and_a_get_has_none(bench: Callable[..., Any]) -> None:
    """Configured headers override the default ones."""
    with WebhookServer() as hook:
        body = '{"text": "$event at $source", "price": "$5"}'
        put = webhook(hook.place, method="PUT", body=body, headers={"Content-Type": "text/plain"})
        done = bench(put=put, get=webhook(f"{hook.place}/on", method="GET"))
        assert done.run("put") == ""
        assert done.run("get") == ""
    put_asked, get_asked = hook.requests
    assert put_asked.body == b'{"text": "double at mic", "price": "$5"}'
    types = [value for name, value in put_asked.headers.items() if name.lower() == "content-type"]
    assert types == ["text/plain"]
    assert (get_asked.method, get_asked.path, get_asked.body) == ("GET", "/on", b"")


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_temporary_failure_is_tried_again(status: int, bench: Callable[..., Any]) -> None:
    """As of a server that restarts."""
    with WebhookServer(Response(status), Response(status), Response()) as hook:
        assert bench(call=webhook(hook.place)).run("call") == ""
        assert len(hook.requests) == 3


@pytest.mark.parametrize("status", [400, 401, 404])
def test_a_permanent_failure_is_not_tried_again(
    status: int, bench: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged once with the remedy, without secrets of the address."""
    with WebhookServer(Response(status)) as hook:
        url = hook.place.replace("//", f"//user:{SECRET}@") + f"/api/webhook/{SECRET}?token={SECRET}"
        failed = bench(call=webhook(url, headers={"Authorization": SECRET}))
        assert failed.run("call").startswith(f"{hook.place}: the server answered {status} ")
        assert len(hook.requests) == 1
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.endswith("; check the action's url, method and headers; given up after 1 try")
    assert SECRET not in caplog.text


def test_retry_after_is_waited_for_unless_it_is_too_long(bench: Callable[..., Any]) -> None:
    """A second is waited for; an hour is longer than the expiry."""
    with WebhookServer(Response(503, (("Retry-After", "1"),)), Response()) as hook:
        begin_s = time.monotonic()
        assert bench(call=webhook(hook.place)).run("call") == ""
        assert time.monotonic() - begin_s >= 1.0
    with WebhookServer(Response(429, (("Retry-After", "3600"),))) as hook:
        assert "answered 429" in bench(call=webhook(hook.place)).run("call")
        assert len(hook.requests) == 1
    moment = datetime.now(timezone.utc) + timedelta(seconds=60)
    assert 55 < _parse_retry_after_s(format_datetime(moment, usegmt=True)) <= 60
    assert _parse_retry_after_s("soon") == 0.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Fri, 31 Dec 9999 23:59:59 -2359", 0.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 86_400.0),
        ("Mon, 01 Jan 0001 00:00:00 +2359", 0.0),
        ("Sat, 99 Foo 2026 99:99:99 +9999999999999", 0.0),
        ("9" * 5000, 86_400.0),
        ("٣", 3.0),
        ("²", 0.0),
        ("-1", 0.0),
        ("", 0.0),
        (", , , ,", 0.0),
        ("1 Jan 70 0:0:0 \x00", 0.0),
    ],
)
def test_a_wait_of_any_kind_is_a_number_within_a_day(text: str, seconds: float) -> None:
    """Servers send dates beyond the calendar, long numbers, and garbage."""
    assert _parse_retry_after_s(text) == seconds


@given(st.text(max_size=60) | st.builds("{}, {} {} {} {}:{}:{} {}".format, *[st.text(max_size=6) | st.integers()] * 8))
def test_no_wait_is_a_fault(text: str) -> None:
    """For every header."""
    assert 0.0 <= _parse_retry_after_s(text) <= 86_400.0


@pytest.mark.parametrize(
    "headers",
    [
        (("Retry-After", "Fri, 31 Dec 9999 23:59:59 -2359"),),
        (("Content-Length", "9" * 400), ("Retry-After", "\x80\xff")),
        (("Transfer-Encoding", "chunked"),),
        (("Location", "http://[::1"), ("Connection", "\x00")),
    ],
)
@pytest.mark.parametrize("status", [200, 503])
def test_headers_of_any_kind_change_no_outcome(
    headers: tuple[tuple[str, str], ...], status: int, bench: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    """A success stays a success, and a failure is tried again."""
    with WebhookServer(Response(status, headers, b"-5\r\nzz\r\n")) as hook:
        why = bench(call=webhook(hook.place, tries=2)).run("call")
        assert why.startswith(f"{hook.place}: the server answered 503" if status == 503 else "")
        assert bool(why) == (status == 503)
        assert len(hook.requests) == (2 if why else 1)
    assert "Traceback" not in caplog.text


def test_an_unreachable_server_is_reported(bench: Callable[..., Any]) -> None:
    """The reason has no errno text."""
    place = f"http://127.0.0.1:{free_port()}"
    failed = bench(call=webhook(place, tries=2))
    assert failed.run("call") == f"{place}: the server cannot be reached (Connection refused)"
    assert failed.counts("call") == (0, 1, 0)


def test_an_answer_that_drips_for_ever_ends_in_time(bench: Callable[..., Any]) -> None:
    """The timeout applies to the whole response, not to each byte."""
    with WebhookServer(Response(drip=True)) as hook:
        begin_s = time.monotonic()
        failed = bench(call=webhook(hook.place, timeout_s=0.5, tries=1))
        assert failed.run("call") == f"{hook.place}: the server did not answer within 0.5 s"
        assert time.monotonic() - begin_s < 3.0


def test_calls_that_hang_do_not_add_up_when_the_service_stops(bench: Callable[..., Any]) -> None:
    """All of them together take the time of one."""
    with WebhookServer(Response(drip=True)) as hook:
        names = [f"call-{n}" for n in range(8)]
        hung = bench(**{name: webhook(hook.place, timeout_s=30.0) for name in names})
        hung.runner.run(names, trigger())
        until(lambda: len(hook.requests) == len(names))
        begin_s = time.monotonic()
        hung.runner.stop(0.2)
        assert time.monotonic() - begin_s < 1.5


def test_an_endless_body_is_not_read(bench: Callable[..., Any]) -> None:
    """The status alone decides."""
    with WebhookServer(Response(body=bytes(50_000_000))) as hook:
        assert bench(call=webhook(hook.place)).run("call") == ""


def test_a_get_follows_and_leaves_its_secrets_at_home(bench: Callable[..., Any]) -> None:
    """Secrets are sent to the same server, not to another."""
    with WebhookServer() as other, WebhookServer(moved(302, "/second")) as hook:
        hook.responses.append(moved(307, f"{other.place}/third"))
        got = bench(call=webhook(f"{hook.place}/first", method="GET", headers={"Authorization": SECRET}))
        assert got.run("call") == ""
        assert [asked.path for asked in (*hook.requests, *other.requests)] == ["/first", "/second", "/third"]
        assert all(SECRET in asked.headers.values() for asked in hook.requests)
        assert SECRET not in other.requests[0].headers.values()


def test_a_redirected_post_is_reported_and_a_circle_ends(bench: Callable[..., Any]) -> None:
    """A POST is not sent to an address that is not configured."""
    with WebhookServer(moved(301, f"https://example.org/{SECRET}")) as hook:
        why = bench(call=webhook(hook.place)).run("call")
        moves = "the server redirects to https://example.org:443 (301)"
        assert why == f"{hook.place}: {moves}; set the action's url to the new address"
    with WebhookServer(moved(302, "/")) as hook:
        assert "more than 5 times" in bench(call=webhook(hook.place, method="GET")).run("call")
    places = (
        "http://127.0.0.1:99999/",
        "http://127.0.0.1:port/",
        "http://a..b/",
        "http://h/a b",
        "http://h/ü",
        "//[x]/",
    )
    for nowhere in ("file:///etc/passwd", *places):
        with WebhookServer(moved(302, nowhere)) as hook:
            assert "redirects (302) without a valid address" in bench(call=webhook(hook.place, method="GET")).run(
                "call"
            )


def test_no_proxy_is_asked(bench: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Proxy variables of the environment are ignored."""
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    with WebhookServer() as hook:
        assert bench(call=webhook(hook.place)).run("call") == ""


def test_https_wants_a_certificate_it_can_trust(
    bench: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unknown certificate is refused at once, with the reason; one of a trusted authority is accepted."""
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key", "-out", "cert"]
    names = ["-subj", "/CN=hook", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*make, *names], cwd=tmp_path, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert", tmp_path / "key")
    with WebhookServer(tls=context) as hook:
        why = bench(call=webhook(hook.place)).run("call")
        assert why.startswith(f"{hook.place}: the server's certificate is not trusted (self")
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert"))
        assert bench(call=webhook(hook.place)).run("call") == ""
