"""Signing in and out, and what guessing a token costs."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import httpx
import pytest

from edge.api.guesses import FREE, GuessLimiter
from edge.api.session import COOKIE, LIFETIME_S, Sessions

if TYPE_CHECKING:
    from tests.api.conftest import Serve

TOKEN = "correct-horse-battery"


def test_browser_signs_in_once(serve: Serve) -> None:
    """The page asks for the token, and a cookie that is not the token opens the rest."""
    with serve(host="0.0.0.0", token=TOKEN) as client:
        page = client.get("/", headers={"Accept": "text/html"})
        assert page.status_code == 401
        assert '<form method="post" action="login">' in page.text
        assert client.post("/login", data={"token": "wrong"}).status_code == 401
        assert client.post("/login", content=b"token=" + b"x" * 9999).status_code == 413
        assert client.get("/sources").status_code == 401
        answer = client.post("/login", data={"token": TOKEN})
        assert (answer.status_code, answer.headers["location"]) == (303, "./")
        cookie = answer.headers["set-cookie"]
        assert {"HttpOnly", "SameSite=strict"} <= set(cookie.split("; "))
        assert TOKEN not in cookie
        assert client.get("/sources").status_code == 200


def test_signing_out_ends_the_session(serve: Serve) -> None:
    """The cookie is taken back, and a copy of it opens nothing; the session of another browser goes on."""
    with serve(token=TOKEN) as client:
        other = client.post("/login", data={"token": TOKEN}).cookies[COOKIE]
        copy = client.post("/login", data={"token": TOKEN}).cookies[COOKIE]
        assert copy != other
        assert client.post("/logout").status_code == 303
        assert client.get("/sources").status_code == 401
        client.cookies.set(COOKIE, copy)
        assert client.get("/sources").status_code == 401
        client.cookies.set(COOKIE, other)
        assert client.get("/sources").status_code == 200


def test_session_has_an_end() -> None:
    """It is over after a while, is of one token alone, and cannot be made longer; a restart does not end it."""
    now = 1e9
    sessions = Sessions(TOKEN, lambda: now)
    cookie = sessions.begin()
    content = cookie.rpartition(".")[0]
    assert Sessions(TOKEN, lambda: now + LIFETIME_S - 1).is_valid(cookie)
    for at, token in ((now + LIFETIME_S, TOKEN), (now, "another token"), (now - 3600, TOKEN)):
        assert not Sessions(token, partial(float, at)).is_valid(cookie)
    for forged in ("", ".", content, f"{content}.", f"9{cookie}", f"{cookie}0", cookie.replace(".", "..", 1), "é.é.é"):
        assert not sessions.is_valid(forged)


class Clock:
    """A clock that a test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_brake_holds_longer_with_every_guess() -> None:
    """A few mistakes are free, then each costs more; another address is not held, a day later all is forgotten."""
    clock = Clock()
    brake = GuessLimiter(clock)
    waits = []
    for i in range(FREE + 8):
        brake.count_wrong("192.0.2.1", f"guess {i}")
        waits.append(brake.wait_s("192.0.2.1"))
        clock.now += waits[-1]
        assert brake.wait_s("192.0.2.1") == 0
    assert waits == [0] * (FREE - 1) + [1, 2, 4, 8, 16, 32, 60, 60, 60]
    brake.count_wrong("192.0.2.1", "one more")
    assert brake.wait_s("192.0.2.2") == 0
    clock.now += 86400
    brake.count_wrong("192.0.2.1", "one more day")
    assert brake.wait_s("192.0.2.1") == 0


def test_brake_takes_a_network_of_ipv6_for_one_client_and_remembers_a_bounded_number() -> None:
    """Who has 2**64 addresses has one brake, and a million guessers cost no memory."""
    brake = GuessLimiter(Clock())
    for i in range(FREE):
        brake.count_wrong(f"2001:db8::{i + 1:x}", f"guess {i}")
    assert brake.wait_s("2001:db8::ffff:1")
    assert not brake.wait_s("2001:db8:0:1::1")
    for i in range(5000):
        brake.count_wrong(f"10.0.{i // 250}.{i % 250}", "guess")
    assert len(brake._guessers) < 2000


@pytest.mark.parametrize("way", ["form", "bearer"])
def test_guessing_is_slowed_down(serve: Serve, way: str, caplog: pytest.LogCaptureFixture) -> None:
    """After a few wrong tokens not even the right one is looked at for a while, logged once; sessions go on."""

    def send(token: str) -> int:
        if way == "form":
            answer = guesser.post("/login", data={"token": token})
        else:
            answer = guesser.get("/sources", headers={"Authorization": f"Bearer {token}"})
        assert ("retry-after" in answer.headers) == (answer.status_code == 429)
        return answer.status_code

    with serve(token=TOKEN) as client, serve_again(client) as guesser:
        client.post("/login", data={"token": TOKEN})
        assert [send(f"wrong {i}") for i in range(FREE)] == [401] * FREE
        assert [send(token) for token in ("wrong again", TOKEN, TOKEN)] == [429] * 3
        assert client.get("/sources").status_code == 200
    assert [record.levelname for record in caplog.records].count("WARNING") == 1
    assert "wrong 1" not in caplog.text


def serve_again(client: httpx.Client) -> httpx.Client:
    """Return another client of the same node."""
    return httpx.Client(base_url=client.base_url)


def test_old_token_that_is_sent_for_ever_holds_nobody_up(serve: Serve) -> None:
    """A program that was not told of the new token is no guesser: the right one is still taken from its address."""
    with serve(token=TOKEN) as client:
        for _ in range(3 * FREE):
            assert client.get("/sources", headers={"Authorization": "Bearer the-old-one"}).status_code == 401
        assert client.get("/sources", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200


def test_sign_in_does_not_exist_without_a_token(serve: Serve) -> None:
    """A node that asks for nothing has no form for it."""
    with serve() as client:
        assert client.post("/login", data={"token": ""}).status_code == 404
