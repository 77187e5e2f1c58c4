"""`POST /classify`: what is taken, what is refused and how, and who goes first."""

from __future__ import annotations

import socket
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from edge.api.upload import _FilePart
from tests.api.proxy import address_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.api.conftest import Serve
    from tests.api.fake_node import FakeNode

MIB = 1024 * 1024
HEAD = b"POST /classify HTTP/1.1\r\nHost: localhost\r\n"


def connected(client: httpx.Client) -> socket.socket:
    """Return a bare connection to the same server."""
    return socket.create_connection(address_of(client), timeout=10)


def chunks(size: int) -> Iterator[bytes]:
    """Yield a body of unknown length."""
    for _ in range(0, size, 65536):
        yield bytes(65536)


def counted(client: httpx.Client, status: int) -> float:
    """Return how many uploads were answered with `status`."""
    head = f'tocsin_classify_requests_total{{code="{status}"}} '
    lines = client.get("/metrics").text.splitlines()
    return sum(float(line[len(head) :]) for line in lines if line.startswith(head))


def wait_until(done: Callable[[], object]) -> None:
    """Ask again until the answer is yes."""
    deadline = time.monotonic() + 10
    while not done():
        assert time.monotonic() < deadline


def assert_problem(answer: httpx.Response, status: int) -> None:
    """Check an RFC 9457 answer of one clear sentence."""
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert set(body) >= {"type", "title", "status", "detail", "instance"}
    assert body["status"] == status
    assert body["instance"] == "/classify"
    assert body["detail"]
    assert not body["detail"].endswith(("?.", ".."))
    assert "Traceback" not in answer.text
    assert "/proc" not in answer.text


@pytest.mark.parametrize("as_field", [True, False], ids=["multipart", "raw"])
@pytest.mark.parametrize("size", [1, 1000, 3 * MIB])
def test_upload_reaches_the_node_unchanged(client: httpx.Client, node: FakeNode, as_field: bool, size: int) -> None:
    """Every byte of a file arrives, whichever way it is sent."""
    sound = bytes(range(256)) * (size // 256) + b"\r\n--" * 3
    body = {"files": {"note": (None, "hello"), "file": ("a.wav", sound)}} if as_field else {"content": sound}
    answer = client.post("/classify", **body)
    assert answer.status_code == 200
    assert answer.json()["labels"] == [{"label": "siren", "score": 0.9}]
    assert node.classified[0]["content"] == sound


@given(
    sound=st.binary(min_size=1, max_size=300),
    cuts=st.lists(st.integers(0, 600), max_size=12),
    boundary=st.sampled_from(["x", "----WebKitFormBoundaryAbC", "a'b+c"]),
)
def test_field_is_found_however_the_network_cuts_the_body(sound: bytes, cuts: list[int], boundary: str) -> None:
    """Where the chunks of a multipart body end changes nothing."""
    assume(b"\r\n--" + boundary.encode() not in sound)
    request = httpx.Request(
        "POST",
        "http://localhost",
        files={"other": (None, "text"), "file": ("a.wav", sound), "more": (None, "text")},
        headers={"content-type": f"multipart/form-data; boundary={boundary}"},
    )
    body, written = request.read(), bytearray()
    part = _FilePart(boundary.encode(), written.extend)
    edges = sorted({0, len(body), *(cut for cut in cuts if cut < len(body))})
    for begin, end in pairwise(edges):
        part.feed(body[begin:end])
    part.finish()
    assert bytes(written) == sound


def test_query_reaches_the_node(client: httpx.Client, node: FakeNode) -> None:
    """The query and the limit of length are handed on."""
    client.post("/classify?top_k=3&hop_s=0.25&threshold=0.5", content=b"sound")
    client.post("/classify", content=b"sound")
    assert node.classified[0]["options"] == {"top_k": 3, "hop_s": 0.25, "threshold": 0.5, "max_s": 660.0}
    assert node.classified[1]["options"] == {"top_k": None, "hop_s": None, "threshold": None, "max_s": 660.0}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"content": b""}, 400),
        ({}, 400),
        ({"content": b"silence"}, 400),
        ({"files": {"file": ("a.wav", b"")}}, 400),
        ({"files": {"sound": ("a.wav", b"sound")}}, 400),
        ({"content": b"sound", "headers": {"content-type": "multipart/form-data"}}, 400),
        ({"content": b"sound", "headers": {"content-type": "multipart/form-data; boundary=x"}}, 400),
        ({"content": b"--x\r\n\r\n", "headers": {"content-type": "multipart/form-data; boundary=x"}}, 400),
        ({"content": b"toolong"}, 413),
        ({"content": b"noaudio"}, 415),
        ({"content": b"sound", "headers": {"content-encoding": "gzip"}}, 415),
        ({"content": b"broken"}, 422),
        ({"files": [("file", ("a.wav", b"sound")), ("top_k", (None, "2"))]}, 422),
        ({"files": [("threshold", (None, "0.5")), ("file", ("a.wav", b"sound"))]}, 422),
        ({"files": [("file", ("a.wav", b"sound")), ("file", ("b.wav", b"sound"))]}, 422),
        ({"content": b"busy"}, 429),
        ({"content": b"nomodel"}, 503),
        ({"content": b"boom"}, 500),
    ],
)
def test_bad_input_gets_its_code_and_one_sentence(
    client: httpx.Client, node: FakeNode, body: dict[str, Any], status: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Each bad input is told apart, counted, writes nothing into the log, and leaves the node working."""
    answer = client.post("/classify", **body)
    assert_problem(answer, status)
    assert not caplog.records or status == 500
    assert "secret" not in answer.text
    assert ("retry-after" in answer.headers) == (status in {429, 503})
    assert counted(client, status) == 1
    assert client.post("/classify", content=b"sound").status_code == 200


@pytest.mark.parametrize(
    "query", ["top_k=0", "top_k=many", "hop_s=0", "hop_s=-1", "hop_s=nan", "hop_s=inf", "threshold=1.1", "threshold=x"]
)
def test_bad_query_names_the_parameter(client: httpx.Client, query: str) -> None:
    """A query that cannot be is refused with the parameter's name and value."""
    answer = client.post(f"/classify?{query}", content=b"sound")
    assert_problem(answer, 422)
    name, _, value = query.partition("=")
    assert name in answer.json()["detail"]
    assert value in answer.json()["detail"]


@pytest.mark.parametrize("declared", [True, False], ids=["declared", "streamed"])
@pytest.mark.parametrize("as_field", [True, False], ids=["multipart", "raw"])
def test_too_many_bytes_are_refused_and_the_reason_arrives(serve: Serve, as_field: bool, declared: bool) -> None:
    """A client that sends on regardless still reads why it was refused."""
    size = 24 * MIB
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' if as_field else b""
    headers = {"content-type": "multipart/form-data; boundary=x" if as_field else "audio/wav"}
    if declared:
        headers["content-length"] = str(len(head) + size)
    with serve(max_upload_mb=1) as client:
        answer = client.post("/classify", content=(part for part in (head, *chunks(size))), headers=headers)
        assert_problem(answer, 413)
        assert "1 MiB" in answer.json()["detail"]
        assert client.post("/classify", content=bytes(MIB)).status_code == 200


def test_client_that_asks_first_sends_nothing(serve: Serve) -> None:
    """`Expect: 100-continue` gets its refusal without a byte of the body."""
    with (
        serve(max_upload_mb=1) as client,
        socket.create_connection(address_of(client)) as raw,
    ):
        raw.settimeout(5)
        raw.sendall(
            b"POST /classify HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 9999999\r\n\r\n"
        )
        assert raw.recv(65536).startswith(b"HTTP/1.1 413 ")


def test_uploads_are_worked_one_by_one_by_a_thread_that_steps_back(client: httpx.Client, node: FakeNode) -> None:
    """Fifty uploads at once are all answered, by one thread of low priority."""
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda i: client.post("/classify", content=b"%d" % i), range(50)))
    assert [answer.status_code for answer in answers] == [200] * 50
    assert {job["content"] for job in node.classified} == {b"%d" % i for i in range(50)}
    assert len({job["thread"] for job in node.classified}) == 1
    assert min(job["niceness"] for job in node.classified) >= 10
    assert counted(client, 200) == 50


def test_health_answers_while_an_upload_is_worked(client: httpx.Client, node: FakeNode) -> None:
    """A long upload holds up no other request."""
    node.gate.clear()
    with ThreadPoolExecutor(1) as pool:
        upload = pool.submit(client.post, "/classify", content=b"sound")
        assert node.working.acquire(timeout=10)
        assert client.get("/sources").status_code == 200
        node.gate.set()
        assert upload.result().status_code == 200


def test_full_line_says_when_to_come_again(serve: Serve, node: FakeNode) -> None:
    """One upload more than may wait gets 429 with Retry-After, and the others their answers."""
    node.gate.clear()
    with serve(classify_queue=2) as client, ThreadPoolExecutor(3) as pool:
        uploads = [pool.submit(client.post, "/classify", content=b"sound") for _ in range(3)]
        refused: httpx.Response = next(as_completed(uploads, timeout=10)).result()
        assert_problem(refused, 429)
        assert int(refused.headers["retry-after"]) >= 1
        node.gate.set()
        assert sorted(upload.result().status_code for upload in uploads) == [200, 200, 429]
        assert client.post("/classify", content=b"sound").status_code == 200


def test_client_that_leaves_takes_its_upload_along(client: httpx.Client, node: FakeNode) -> None:
    """An upload that still waits when its client goes is never worked."""
    node.gate.clear()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(client.post, "/classify", content=b"first")
        assert node.working.acquire(timeout=10)
        with connected(client) as leaver:
            leaver.sendall(HEAD + b"Content-Length: 6\r\n\r\nsecond")
        wait_until(lambda: counted(client, 499))
        node.gate.set()
        assert first.result().status_code == 200
    assert client.post("/classify", content=b"third").status_code == 200
    assert [job["content"] for job in node.classified] == [b"first", b"third"]


def test_client_that_leaves_in_the_middle_is_forgotten(serve: Serve, node: FakeNode) -> None:
    """Half an upload gives its place in the line back."""
    with serve(classify_queue=1) as client:
        with connected(client) as leaver:
            leaver.sendall(HEAD + b"Content-Length: 600\r\n\r\nhalf")
        wait_until(lambda: counted(client, 499))
        assert client.post("/classify", content=b"whole").status_code == 200
    assert [job["content"] for job in node.classified] == [b"whole"]


def test_nothing_of_an_upload_has_a_name_on_disk(client: httpx.Client, node: FakeNode, tmp_path: Path) -> None:
    """The folder of uploads looks empty even while one is being worked."""
    node.gate.clear()
    with ThreadPoolExecutor(1) as pool:
        upload = pool.submit(client.post, "/classify", content=b"sound")
        assert node.working.acquire(timeout=10)
        assert not list(tmp_path.iterdir())
        node.gate.set()
        assert upload.result().status_code == 200


def test_missing_folder_for_uploads_is_said(client: httpx.Client, tmp_path: Path) -> None:
    """A node that cannot keep an upload says 503, not 500."""
    tmp_path.rmdir()
    assert_problem(client.post("/classify", content=b"sound"), 503)


def test_uploads_leave_room_for_the_history(serve: Serve, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What would take it is refused on the way, leaves nothing behind, and is taken when there is room again."""
    free = 10 * MIB

    def left(folder: Path) -> int:
        assert folder == tmp_path
        return free

    monkeypatch.setattr("edge.store.faults.free_bytes", left)
    with serve(min_free_mb=10) as client:
        answer = client.post("/classify", content=chunks(MIB))
        assert_problem(answer, 503)
        assert "almost full" in answer.json()["detail"]
        free = 12 * MIB
        assert client.post("/classify", content=chunks(MIB)).status_code == 200
    assert list(tmp_path.iterdir()) == []
