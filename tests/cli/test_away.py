"""`tocsin away`: state and switch of the running node's away mode."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from edge import cli
from edge.api.app import create_app
from edge.api.server import ApiServer
from edge.settings.tree import Api
from tests.api.fake_node import FakeNode
from tests.support.node import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from edge.api.records import AwayStatus

TOKEN = "correct-horse"


class Node(FakeNode):
    """A node without an arming delay."""

    def away(self) -> AwayStatus:
        return replace(super().away(), armed=self.away_on, arming_until=self.until, quiet=self.quiet)

    until: str | None = None
    quiet = False


@pytest.fixture
def node() -> Node:
    return Node()


@pytest.fixture
def config(node: Node, tmp_path: Path) -> Iterator[Path]:
    """Return the configuration of a running node with a token."""
    settings = Api(port=0, token=TOKEN)
    server = ApiServer(create_app(node, settings), settings)
    server.start()
    path = tmp_path / "tocsin.toml"
    path.write_text(f"[api]\nport = {server.url.rpartition(':')[2]}\ntoken = '{TOKEN}'\n")
    yield path
    server.stop()


@pytest.fixture
def run_away(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Return a function that runs the command and returns exit code and output."""

    def run(*arguments: object) -> tuple[int, str]:
        code = cli.main(["away", *map(str, arguments)])
        said = capsys.readouterr()
        assert (said.out == "") is (code != 0)
        text = said.out + said.err
        assert text.count("\n") == 1
        return code, text.strip()

    return run


def test_it_is_switched_and_shown(config: Path, node: Node, run_away: Callable[..., tuple[int, str]]) -> None:
    """Address and token come from the configuration; without an argument nothing is switched."""
    assert run_away("--config", config) == (0, "away: off")
    assert run_away("on", "--config", config) == (0, "away: on, listening")
    assert node.away_on
    assert run_away("status", "--config", config) == (0, "away: on, listening")
    node.quiet = True
    assert run_away("--config", config) == (0, "away: on, quiet hours: nothing is reported")
    node.until = "2026-05-01T12:00:30.000Z"
    assert run_away("--config", config)[1].startswith("away: on, listens from ")
    code, text = run_away("off", "--config", config, "--json")
    assert (code, json.loads(text)["state"]) == (0, "OFF")


def test_a_node_without_it_is_a_matter_of_its_configuration(
    config: Path, node: Node, run_away: Callable[..., tuple[int, str]]
) -> None:
    """Without an away mode, printing the state is no error, but switching is."""
    node.away_enabled = False
    assert run_away("--config", config) == (0, "away: not enabled; set away.enabled = true")
    code, text = run_away("on", "--config", config)
    assert code == 78
    assert "set away.enabled = true" in text


def test_a_token_that_the_node_refuses(config: Path, run_away: Callable[..., tuple[int, str]]) -> None:
    """The exit code is 77; the message names the setting and not the token."""
    config.write_text(config.read_text().replace(TOKEN, "wrong-horse"))
    code, text = run_away("on", "--config", config)
    assert code == 77
    assert "set api.token_file" in text
    assert "wrong-horse" not in text


def test_no_node_answers(tmp_path: Path, run_away: Callable[..., tuple[int, str]]) -> None:
    """The exit code is 69, and the message names the address."""
    url = f"http://127.0.0.1:{free_port()}"
    code, text = run_away("on", "--url", url)
    assert code == 69
    assert url in text


@contextmanager
def _serve_bytes(body: bytes) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


@pytest.mark.parametrize(
    "body",
    [b"", b"hello\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n<html>", b"HTTP/1.1 200 OK\r\n\r\n{}", b"HTTP/1.1 500 No\r\n\r\n"],
)
def test_something_else_answers(body: bytes, run_away: Callable[..., tuple[int, str]]) -> None:
    """Any answer that is not a node's gives exit code 69."""
    with _serve_bytes(body) as url:
        code, text = run_away("--url", url)
    assert code == 69
    assert url in text


@pytest.mark.parametrize(
    ("arguments", "text", "code"),
    [
        (("maybe",), "", 64),
        (("--url", "127.0.0.1:8080"), "", 64),
        (("--url", "http://[::1"), "", 64),
        (("--url", "http://a:b"), "", 64),
        (("--url", "http://a b/"), "", 64),
        (("--url", ""), "", 64),
        ((), "[api]\nport = 0", 64),
        ((), "[api]\nenabled = false", 78),
        ((), "[api]\nprot = 1", 78),
        ((), "[api]\ntoken_file = '/absent'", 78),
    ],
)
def test_bad_addresses_and_settings_have_their_exit_codes(
    tmp_path: Path, run_away: Callable[..., tuple[int, str]], arguments: tuple[str, ...], text: str, code: int
) -> None:
    """Errors of usage and of configuration have different exit codes."""
    (tmp_path / "tocsin.toml").write_text(text)
    assert run_away(*arguments, "--config", tmp_path / "tocsin.toml")[0] == code
