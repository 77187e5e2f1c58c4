"""Who may ask what."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from edge.api.security import MIN_TOKEN, is_loopback, require_token
from edge.api.session import COOKIE
from edge.errors import ConfigError
from edge.settings.tree import Api

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

    from tests.api.conftest import Serve

TOKEN = "correct-horse-battery"
PATHS = ["/", "/sources", "/models", "/config", "/events", "/events/e1", "/events/e1/clip", "/events/stream",
         "/live/stream", "/readyz", "/metrics", "/openapi.json", "/docs", "/static/app.js", "/schema/event.json",
         "/nothing"]  # fmt: skip


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKEN}"},
                                     {"Authorization": "Bearer"}, {"Cookie": f"{COOKIE}={TOKEN}"}])  # fmt: skip
def test_nothing_but_livez_is_open_without_the_token(serve: Serve, host: str, headers: dict[str, str]) -> None:
    """Every path, there or not, wants the token and says so in the same way."""
    with serve(host=host, token=TOKEN) as client:
        for path in PATHS:
            answer = client.get(path, headers=headers)
            assert answer.status_code == 401, path
            assert answer.headers["www-authenticate"].startswith("Bearer")
            assert answer.headers["content-type"] == "application/problem+json"
        assert client.post("/classify", content=b"sound", headers=headers).status_code == 401
        assert client.get("/livez").status_code == 200


def test_token_opens_everything(serve: Serve) -> None:
    """With the token the node answers as it does on loopback without one."""
    with serve(host="0.0.0.0", token=TOKEN) as client:
        client.headers["Authorization"] = f"Bearer {TOKEN}"
        assert client.get("/sources", headers={"Host": "tocsin.example"}).status_code == 200
        assert client.get("/").status_code == 200
        assert client.post("/classify", content=b"sound").status_code == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "tocsin.local"])
def test_reachable_from_outside_needs_a_token(host: str) -> None:
    """An open door to the street is refused at start, with what to do."""
    with pytest.raises(ConfigError, match=r"api\.token_file"):
        require_token(Api(host=host))
    assert require_token(Api(host=host), "given one") == "given one"
    assert require_token(Api(host=host, token="set here")) == "set here"


@pytest.mark.parametrize("host", ["0.0.0.0", "127.0.0.1"])
@pytest.mark.parametrize("token", ["x", "1234567"])
def test_token_that_is_easy_to_guess_is_refused(host: str, token: str) -> None:
    """It is told at start how long a token has to be, wherever the token is from, and not what it is."""
    for given, settings in ((token, Api(host=host)), (None, Api(host=host, token=token))):
        with pytest.raises(ConfigError, match=rf"api\.token.*{MIN_TOKEN} characters or more") as refused:
            require_token(settings, given)
        assert token not in str(refused.value).replace("hex 16", "")


def test_token_file_that_gave_nothing_is_no_open_door(tmp_path: Path) -> None:
    """A token that was wanted and is not there never means that none is needed."""
    with pytest.raises(ConfigError, match="no token in"):
        require_token(Api(token_file=tmp_path / "token"))


@pytest.mark.parametrize(
    ("host", "is_local"),
    [("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("[::1]", True), ("localhost", True),
     ("0.0.0.0", False), ("::", False), ("10.0.0.1", False), ("localhost.example", False), ("", False)],
)  # fmt: skip
def test_loopback_is_known(host: str, is_local: bool) -> None:
    """Only this machine's own names are."""
    assert is_loopback(host) is is_local


@pytest.mark.parametrize(
    ("host", "status"),
    [("localhost", 200), ("localhost:8080", 200), ("[::1]:8080", 200), ("rebound.example", 421), ("10.0.0.1", 421),
     ("[", 421), ("", 421)],
)  # fmt: skip
def test_name_that_was_made_to_point_here_is_refused(serve: Serve, host: str, status: int) -> None:
    """A foreign name that resolves to loopback gets nothing."""
    with serve() as client:
        assert client.get("/sources", headers={"Host": host}).status_code == status


@pytest.mark.parametrize(
    ("origin", "status"),
    [("http://localhost", 200), ("https://localhost", 200), ("http://evil.example", 403), ("null", 403),
     ("http://localhost:81", 403)],
)  # fmt: skip
def test_foreign_page_cannot_post(serve: Serve, origin: str, status: int) -> None:
    """A page of another origin can make no browser upload for it."""
    with serve() as client:
        answer = client.post("/classify", content=b"sound", headers={"Host": "localhost", "Origin": origin})
        assert answer.status_code == status


PAGE = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
FRAME = PAGE | {"Sec-Fetch-Dest": "iframe"}
SCRIPT = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "empty"}
OWN = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}
TYPED = {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/live/stream", SCRIPT, 403), ("GET", "/events/stream", SCRIPT, 403),
        ("GET", "/live/stream", PAGE, 403), ("GET", "/live/stream", {"Origin": "http://evil.example"}, 403),
        ("GET", "/sources", {"Origin": "http://evil.example"}, 200),
        ("GET", "/sources", SCRIPT, 403), ("GET", "/", FRAME, 403), ("GET", "/static/icon.svg", SCRIPT, 403),
        ("GET", "/metrics", SCRIPT, 403), ("HEAD", "/sources", SCRIPT, 403), ("POST", "/classify", SCRIPT, 403),
        ("POST", "/classify", PAGE, 403), ("PUT", "/away", SCRIPT, 403), ("GET", "/livez", SCRIPT, 200),
        ("GET", "/", PAGE, 200), ("GET", "/docs", PAGE, 200), ("GET", "/sources", OWN, 200), ("GET", "/", TYPED, 200),
        ("POST", "/classify", OWN | {"Origin": "https://street.example"}, 200),
        ("POST", "/classify", {"Origin": "https://street.example", "X-Forwarded-Host": "street.example"}, 200),
        ("POST", "/classify", {"Origin": "https://evil.example", "X-Forwarded-Host": "street.example"}, 403),
    ],
)  # fmt: skip
def test_page_of_another_site_embeds_nothing(
    client: httpx.Client, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    """It can take no stream's place and send nothing; a link to a page works, and so does the page behind a proxy."""
    answer = client.request(method, path, headers=headers, content=b"sound" if method == "POST" else None)
    assert answer.status_code == status


@pytest.mark.parametrize("path", ["/", "/docs", "/sources", "/nothing", "/static/app.js"])
def test_every_answer_has_the_security_headers(serve: Serve, path: str) -> None:
    """Nothing is framed, sniffed, or loaded from elsewhere."""
    with serve() as client:
        headers = client.get(path).headers
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cache-control"] in {"no-store", "no-cache"}
