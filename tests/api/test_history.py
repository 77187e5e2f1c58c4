"""The history, the sources and the other things the node tells about itself."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client import Gauge
from prometheus_client.parser import text_string_to_metric_families

from edge.api.events import parse_time_s
from edge.api.problems import make_problem
from edge.errors import UsageError
from tests.api.fake_node import LABELS, source

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

    from edge.api.records import SourceStatus
    from tests.api.conftest import Serve
    from tests.api.fake_node import FakeNode

NOON = datetime(2026, 5, 1, 12, tzinfo=timezone.utc).timestamp()


def test_history_is_newest_first_and_pages_to_its_end(client: httpx.Client, node: FakeNode) -> None:
    """Following `next_cursor` shows every event once."""
    for i in range(5):
        node.record(f"e{i}")
        node.record(f"e{i}", phase="end")
    seen, cursor = [], None
    while True:
        page = client.get("/events", params={"limit": 2} | ({"cursor": cursor} if cursor else {})).json()
        seen += [item["event_id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == ["e4", "e3", "e2", "e1", "e0"]


def test_filters_reach_the_store(client: httpx.Client, node: FakeNode) -> None:
    """Each filter arrives with its type, times as Unix seconds."""
    query: dict[str, Any] = {
        "label": "siren", "source": "mic", "after": "2026-05-01T12:00:00Z", "before": "2026-05-01T14:00:00.5+02:00",
        "min_score": 0.5, "limit": 7,
    }  # fmt: skip
    assert client.get("/events", params=query).json() == {"items": [], "next_cursor": None}
    assert node.store.asked == {
        "label": ["siren"], "source": ["mic"], "after": NOON, "before": NOON + 0.5, "min_score": 0.5, "limit": 7,
        "cursor": None,
    }  # fmt: skip


def test_plus_sign_may_stay_as_it_is(client: httpx.Client, node: FakeNode) -> None:
    """A zone written with a plus that nobody escaped is understood."""
    assert client.get("/events?after=2026-05-01T12:00:00+00:00").status_code == 200
    assert node.store.asked["after"] == NOON


@pytest.mark.parametrize("text", ["", "yesterday", "2026-05-01", "2026-05-01T12:00:00", "2026-13-01T12:00:00Z", "5"])
def test_time_that_is_none_is_refused(text: str) -> None:
    """A time without day, clock or zone is no guess."""
    with pytest.raises(UsageError, match="after"):
        parse_time_s(text, "after")


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=1001", "limit=x", "min_score=2", "after=x", "before=x", "cursor=x", "cursor=" + "1" * 300],
)
def test_bad_query_is_refused(client: httpx.Client, query: str) -> None:
    """A filter that cannot be is a problem that names it."""
    answer = client.get(f"/events?{query}")
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert query.partition("=")[0] in answer.json()["detail"].lower()


@pytest.mark.parametrize(
    ("query", "labels"),
    [
        ("label=siren,horn", ("siren", "horn")), ("label=siren&label=horn", ("siren", "horn")),
        ("label=siren,,siren,&label=siren", ("siren",)), ("label=", ()), ("label=double,sound", ("double", "sound")),
        ("label=Fire%20engine,%20truck", ("Fire engine, truck",)), ("label=whistle,siren", ("whistle", "siren")),
        ("label=Car,%20idling", ("Car, idling",)),
    ],
)  # fmt: skip
def test_any_of_several_labels_may_be_asked_for(
    client: httpx.Client, node: FakeNode, monkeypatch: pytest.MonkeyPatch, query: str, labels: tuple[str, ...]
) -> None:
    """With commas or repeated, of the model, of a pattern, or of a model that the node had before."""
    model = replace(node.model(), labels=[*LABELS, "Fire engine, truck"])
    monkeypatch.setattr(node, "model", lambda: model)
    node.record("e1", "whistle")
    node.record("e2", "Car, idling")
    assert client.get(f"/events?{query}").status_code == 200
    assert tuple(node.store.asked["label"]) == labels


def test_several_sources_may_be_asked_for(client: httpx.Client, node: FakeNode) -> None:
    """As with labels."""
    node.states.append(source("yard"))
    assert client.get("/events?source=mic,yard").status_code == 200
    assert node.store.asked["source"] == ["mic", "yard"]


@pytest.mark.parametrize(
    ("method", "path", "words"),
    [
        ("GET", "/events?labels=siren", "'labels' is unknown; did you mean 'label'?"),
        ("GET", "/events?foo=1", "'foo' is unknown; known are label, source, after"),
        ("GET", "/events?limit=1&limit=2", "'limit' is given more than once"),
        ("GET", "/events?label=sirn", "there is no label 'sirn'; did you mean 'siren'?"),
        ("GET", "/events?label=siren,gunshto", "there is no label 'gunshto'; did you mean 'gunshot'?"),
        ("GET", "/events?source=nope", "there is no source 'nope'; known are mic"),
        ("GET", "/live/stream?source=mik", "there is no source 'mik'; did you mean 'mic'?"),
        ("GET", "/live/stream?source=mic&source=mic", "'source' is given more than once"),
        ("GET", "/live/stream?sources=mic", "did you mean 'source'?"),
        ("GET", "/events/stream?last_event=1", "did you mean 'last_event_id'?"),
        ("POST", "/classify?topk=3", "did you mean 'top_k'?"),
        ("PUT", "/away?state=ON", "'state' is unknown; this route has none"),
        ("GET", "/sources?name=mic", "this route has none"),
        ("GET", "/events/e1?full=1", "this route has none"),
    ],
)
def test_query_that_nothing_heeds_is_refused(
    client: httpx.Client, node: FakeNode, method: str, path: str, words: str
) -> None:
    """A misspelt filter is told with what was meant, instead of an answer to another question."""
    node.record("e1")
    answer = client.request(method, path)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    detail = answer.json()["detail"]
    assert words in detail
    assert not detail.endswith("?.")


@pytest.mark.parametrize(
    "path", ["/?from=mail", "/docs?x=1", "/static/app.js?v=2", "/metrics?name[]=up", "/readyz?verbose"]
)
def test_page_and_probe_take_any_query(client: httpx.Client, path: str) -> None:
    """What others hang on a link to a page, or on a probe, is harmless."""
    assert client.get(path).status_code == 200


def test_missing_recording_is_told_from_a_missing_event(client: httpx.Client, node: FakeNode) -> None:
    """The privacy setting is blamed only where there is an event."""
    node.record("e1")
    assert "no event 'nope'" in client.get("/events/nope/clip").json()["detail"]
    assert "keep_clips" in client.get("/events/e1/clip").json()["detail"]


def test_one_event_has_all_its_messages(client: httpx.Client, node: FakeNode) -> None:
    """An event is found by its id; another is a problem."""
    node.record("e1")
    node.record("e1", phase="end")
    assert [each["data"]["phase"] for each in client.get("/events/e1").json()["messages"]] == ["start", "end"]
    missing = client.get("/events/e2")
    assert missing.status_code == 404
    assert "e2" in missing.json()["detail"]


def test_clip_is_flac_in_parts_too(client: httpx.Client, node: FakeNode, tmp_path: Path) -> None:
    """The sound of an event can be heard from anywhere in it; one that is gone is a problem."""
    clip = tmp_path / "e1.flac"
    clip.write_bytes(b"fLaC" + bytes(100))
    node.record("e1")
    node.store.clips["e1"] = clip
    whole = client.get("/events/e1/clip")
    assert whole.headers["content-type"] == "audio/flac"
    assert whole.content == clip.read_bytes()
    assert client.get("/events/e1/clip", headers={"Range": "bytes=0-3"}).content == b"fLaC"
    for none in ("bytes=5-2", "bytes=", "items=0-3", "nonsense"):
        answer = client.get("/events/e1/clip", headers={"Range": none})
        assert (answer.status_code, answer.content) == (200, clip.read_bytes())
    beyond = client.get("/events/e1/clip", headers={"Range": "bytes=104-"})
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, "bytes */104")
    assert beyond.headers["content-type"] == "application/problem+json"
    assert beyond.json()["instance"] == "/events/e1/clip"
    clip.unlink()
    assert client.get("/events/e1/clip").status_code == 404
    assert client.get("/events/e2/clip").status_code == 404


def test_node_describes_itself(client: httpx.Client, node: FakeNode) -> None:
    """Sources, models and configuration are what the node says."""
    assert client.get("/sources").json() == {"items": [asdict(source) for source in node.sources()]}
    damaged, sound = map(asdict, node.models())
    damaged = {name: value for name, value in damaged.items() if value is not None}
    assert client.get("/models").json() == {"active": asdict(node.model()), "items": [damaged, sound]}
    assert client.get("/config").json() == node.config()


def test_figure_that_json_cannot_say_is_null(client: httpx.Client, node: FakeNode) -> None:
    """A source that never gave a block has no age, and the answer is still JSON."""
    node.states[:] = [source("mic", last_audio_s=float("inf"), scores={"siren": float("nan")})]
    item = client.get("/sources").json()["items"][0]
    assert item["last_audio_s"] is None
    assert item["scores"] == {"siren": None}


def test_a_name_that_is_no_unicode_is_told(client: httpx.Client, node: FakeNode) -> None:
    """A byte that is no UTF-8 in a file's name is replaced, in answers and in errors, and both are JSON."""
    node.states[:] = [source("mic", spec="file:bad\udcff.wav", detail="\ud83d")]
    item = client.get("/sources").json()["items"][0]
    assert item["spec"] == "file:bad\ufffd.wav"
    assert item["detail"] == "\ufffd"
    assert json.loads(bytes(make_problem(404, "no \udcff", "/x").body))["detail"] == "no \ufffd"


def test_ready_tells_the_truth(client: httpx.Client, node: FakeNode) -> None:
    """Every reason is given, and alive is not ready."""
    assert client.get("/readyz").json() == {"status": "ok"}
    node.not_ready[:] = ["no audio from mic for 9 s", "disk low"]
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["reasons"] == node.not_ready
    assert "no audio from mic for 9 s; disk low" in answer.json()["detail"]
    assert client.get("/livez").status_code == 200


def test_metrics_are_the_nodes(client: httpx.Client, node: FakeNode) -> None:
    """Prometheus reads what is on the node's registry."""
    Gauge("tocsin_source_up", "Whether a source is up.", ["source"], registry=node.registry).labels("mic").set(1)
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    families = {family.name: family for family in text_string_to_metric_families(answer.text)}
    assert families["tocsin_source_up"].samples[0].labels == {"source": "mic"}
    assert set(families) >= {"tocsin_classify_requests", "tocsin_classify_seconds"}


@pytest.mark.parametrize(
    ("method", "path", "status", "allowed"),
    [
        ("GET", "/nothing", 404, None), ("GET", "/events/", 404, None), ("PUT", "/sources", 405, "GET"),
        ("OPTIONS", "/away", 405, "GET, PUT"), ("GET", "/classify", 405, "POST"), ("POST", "/", 405, "GET"),
    ],
)  # fmt: skip
def test_wrong_door_is_a_problem(
    client: httpx.Client, method: str, path: str, status: int, allowed: str | None
) -> None:
    """What is not there, or not so, is said in the same form."""
    answer = client.request(method, path)
    assert answer.status_code == status
    assert answer.json()["instance"] == path
    assert answer.headers.get("allow") == allowed


@pytest.mark.parametrize("path", ["/", "/sources", "/livez", "/static/app.css"])
def test_head_is_get_without_the_body(client: httpx.Client, path: str) -> None:
    """HEAD tells the length and nothing else."""
    head, get = client.head(path), client.get(path)
    assert head.status_code == 200
    assert head.headers["content-length"] == get.headers["content-length"]
    assert head.content == b""


def test_fault_of_our_own_gives_nothing_away(
    serve: Serve, node: FakeNode, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault is logged with its traceback, and told without."""

    def fail() -> list[SourceStatus]:
        raise ZeroDivisionError

    with monkeypatch.context() as patch, serve() as client:
        patch.setattr(node, "sources", fail)
        answer = client.get("/sources")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "division" not in answer.text
    assert "ZeroDivisionError" in caplog.text
