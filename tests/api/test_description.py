"""`/openapi.json` says what the routes do: their answers, their errors, and who may ask."""

from __future__ import annotations

import json
import re
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from edge.api import answers, records
from edge.api.__main__ import make_document
from edge.api.answers import AwayLevels
from edge.jsontext import encode
from edge.publish.payload import EventContext, Stamp, cloud_event, pattern_event
from edge.settings.secrets import mask_settings
from edge.settings.tree import Settings
from edge.types import Event, ModelInfo, Pattern, Phase
from tests.api.fake_node import frame
from tests.api.proxy import PREFIX, address_of, proxied
from tests.api.routes import ROUTES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.api.conftest import Serve
    from tests.api.fake_node import FakeNode

TOKEN = "correct-horse-battery"
NOON = datetime(2026, 5, 1, 12, tzinfo=timezone.utc)
RATE_HZ = 16_000
CONTEXT = EventContext("node", "mic", "60.1,24.9", ModelInfo("city", "0.1.0", "0" * 64, "cpu"), False, True, "info")


@pytest.fixture
def document(client: httpx.Client) -> dict[str, Any]:
    """Return the description."""
    answer: dict[str, Any] = client.get("/openapi.json").json()
    return answer


def validator(document: dict[str, Any], schema: dict[str, Any]) -> Draft202012Validator:
    """Return what checks a value against a schema of the document."""
    return Draft202012Validator({**schema, "components": document["components"]})


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield method, path and description of every operation."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def test_every_route_is_there_and_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    """The document has the contract's routes, valid schemas, names that are all different, and no loose end."""
    assert document["openapi"].startswith("3.1")
    assert set(document["paths"]) == ROUTES
    schemas = document["components"]["schemas"]
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)
    for name in re.findall(r'"\$ref": "([^"]+)"', json.dumps(document)):
        assert name.removeprefix("#/components/schemas/") in schemas
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(set(names)) == len(names)
    upload = document["paths"]["/classify"]["post"]
    assert set(upload["requestBody"]["content"]) == {"multipart/form-data", "application/octet-stream"}
    assert set(upload["responses"]) >= {"200", "400", "413", "415", "422", "429", "503"}


def test_every_error_is_a_problem_and_every_answer_has_a_shape(document: dict[str, Any]) -> None:
    """No error is of another kind, and no answer or member of one is any object at all."""
    for method, path, operation in operations(document):
        for status, answer in operation["responses"].items():
            contents = answer["content"]
            if int(status) >= 400:
                assert contents == {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
            else:
                assert all(is_precise(content["schema"]) for content in contents.values()), (method, path)
    for name, schema in document["components"]["schemas"].items():
        free = {"measured"} if name == "ActiveModel" else set()
        assert {key for key, each in schema.get("properties", {}).items() if not is_precise(each)} == free, name


def is_precise(schema: dict[str, Any]) -> bool:
    """Return whether a schema says more than that there is an object, or anything."""
    if schema.get("type") == "object":
        others = schema.get("additionalProperties", True)
        return "properties" in schema or "patternProperties" in schema or isinstance(others, dict)
    return bool(schema.keys() - {"title", "description", "default"})


def test_every_part_of_an_answer_is_described(document: dict[str, Any]) -> None:
    """Each record of an answer says what it is and what each of its members is, with an example."""
    schemas = document["components"]["schemas"]
    kinds = [*vars(records).values(), *vars(answers).values()]
    names = {kind.__name__ for kind in kinds if hasattr(kind, "__pydantic_config__")}
    assert len(names) >= 14
    for name in names:
        assert schemas[name]["description"]
        assert schemas[name]["examples"]
        assert all(member.get("description") for member in schemas[name]["properties"].values()), name


def test_configuration_is_as_described(document: dict[str, Any]) -> None:
    """The settings with stars for secrets are of the shape that /config promises."""
    settings = Settings.model_validate(
        {
            "api": {"token": "correct-horse-battery"},
            "mqtt": {"password": "secret"},
            "sources": [{"name": "yard", "spec": "rtsp://user:secret@camera/1"}],
            "actions": {
                "hook": {"type": "webhook", "url": "https://user:secret@example.com/secret", "body": "secret"},
                "lamp": {"type": "command", "command": ["true"]},
            },
        }
    )
    schema = document["paths"]["/config"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    validator(document, schema).validate(json.loads(encode(mask_settings(settings))))


def test_shipped_description_is_the_generated_one() -> None:
    """deploy/openapi.json is what `python -m edge.api` prints; write it anew after a change of the routes."""
    shipped = json.loads((Path(__file__).parents[2] / "deploy" / "openapi.json").read_text(encoding="utf-8"))
    assert shipped == make_document(), "run: python -m edge.api > deploy/openapi.json"


@pytest.mark.parametrize(("token", "security"), [(TOKEN, [{"token": []}]), (None, [{}, {"token": []}])])
def test_token_is_described(serve: Serve, token: str | None, security: list[Any]) -> None:
    """A client that is made from it sends the token: it must where there is one, and may where there is none."""
    with serve(token=token) as client:
        document = client.get("/openapi.json", headers={"Authorization": f"Bearer {TOKEN}"}).json()
    scheme = document["components"]["securitySchemes"]["token"]
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    for _, path, operation in operations(document):
        assert operation.get("security") == (None if path == "/livez" else security)
        assert path == "/livez" or {"401", "403", "421", "429"} <= set(operation["responses"])


def test_examples_are_what_they_are_examples_of(document: dict[str, Any]) -> None:
    """Each example of an answer, a body and a parameter is valid."""
    count = 0
    for name, schema in document["components"]["schemas"].items():
        for example in schema.get("examples", []):
            validator(document, {"$ref": f"#/components/schemas/{name}"}).validate(example)
            count += 1
    for _, _, operation in operations(document):
        for parameter in operation.get("parameters", []):
            for example in parameter["schema"].get("examples", []):
                validator(document, parameter["schema"]).validate(example)
                count += 1
    assert count >= 12


def record(node: FakeNode) -> None:
    """Write what a node writes: an event from start to end, and a pattern."""
    for phase, end in ((Phase.START, None), (Phase.END, 2 * RATE_HZ)):
        event = Event("e1", phase, "siren", 0.9, 0.95, 0, end, end or 0, -31.5, -25.0)
        sequence = node.store.latest_sequence() + 1
        stamp = Stamp(f"m{sequence}", sequence, NOON)
        node.store.messages.append(cloud_event(event, CONTEXT, stamp, onset=NOON, rate_hz=RATE_HZ))
    pattern = Pattern("double", (0, 5120), 5120, 0.93)
    stamp = Stamp("p1", 3, NOON)
    made = pattern_event(pattern, CONTEXT, stamp, first=NOON, rate_hz=RATE_HZ)
    node.store.messages.append(made)


def as_stored(message: dict[str, Any]) -> dict[str, Any]:
    """Return an item as the real store does."""
    return {**message["data"], "source": "mic", "event": message}


@pytest.mark.parametrize("path", ["/sources", "/models", "/mqtt", "/away", "/livez", "/readyz", "/schema/event.json"])
def test_answer_is_as_described(client: httpx.Client, document: dict[str, Any], path: str) -> None:
    """What the node says of itself has the shape that a client was made for."""
    answer = client.get(path)
    content = document["paths"][path]["get"]["responses"]["200"]["content"]
    kind = answer.headers["content-type"]
    validator(document, content[kind]["schema"]).validate(answer.json())


def test_history_is_as_described(
    client: httpx.Client, node: FakeNode, document: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list, one event, and both kinds of event."""
    record(node)
    events = node.store.events

    def stored(**asked: Any) -> Any:
        page = events(**asked)
        page.items = [as_stored(message) for message in node.store.messages]
        return page

    monkeypatch.setattr(node.store, "events", stored)
    monkeypatch.setattr(
        node.store, "event", lambda _: {**as_stored(node.store.messages[0]), "messages": node.store.messages}
    )
    for path, route in (("/events", "/events"), ("/events/e1", "/events/{event_id}")):
        schema = document["paths"][route]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        validator(document, schema).validate(client.get(path).json())
    with pytest.raises(Exception, match="'event_id' is a required property"):
        validator(document, schema).validate({})


@pytest.mark.parametrize("path", ["/events/stream?last_event_id=0", "/live/stream"])
def test_stream_is_as_described(client: httpx.Client, node: FakeNode, document: dict[str, Any], path: str) -> None:
    """What comes in `data:` has the schema that the stream's description refers to."""
    record(node)
    content = document["paths"][path.partition("?")[0]]["get"]["responses"]["200"]["content"]["text/event-stream"]
    assert content["schema"]["contentMediaType"] == "application/json"
    check = validator(document, content["schema"]["contentSchema"])
    check.validate(json.loads(content["example"].partition("data: ")[2]))
    with client.stream("GET", path) as stream:
        lines = (line for line in stream.iter_lines() if line)
        assert next(lines).startswith("retry")
        assert next(lines) == ": connected"
        node.play(frame("mic", away=AwayLevels(background=-60.0, threshold=-50.0, restless=False)))
        data = next(line for line in lines if line.startswith("data: "))
    check.validate(json.loads(data.removeprefix("data: ")))


@pytest.mark.parametrize(
    ("method", "path", "options", "status"),
    [
        ("POST", "/classify", {"content": b""}, 400), ("POST", "/classify", {"content": b"noaudio"}, 415),
        ("POST", "/classify", {"content": b"broken"}, 422), ("POST", "/classify", {"content": b"toolong"}, 413),
        ("POST", "/classify", {"content": b"busy"}, 429), ("POST", "/classify", {"content": b"nomodel"}, 503),
        ("POST", "/classify?topk=1", {"content": b"x"}, 422), ("POST", "/classify", {"content": b"boom"}, 500),
        ("GET", "/events?limit=0", {}, 422), ("GET", "/events/none", {}, 404), ("GET", "/events/none/clip", {}, 404),
        ("GET", "/live/stream?source=none", {}, 422), ("GET", "/readyz", {}, 503), ("PUT", "/away", {"json": 1}, 422),
        ("PUT", "/away", {"content": b"{}"}, 415), ("PUT", "/away", {"json": {"state": "ON"}}, 409),
        ("GET", "/sources", {"headers": {"Authorization": ""}}, 401),
        ("GET", "/events/stream", {"headers": {"Sec-Fetch-Site": "cross-site"}}, 403),
    ],
)  # fmt: skip
def test_error_is_as_described(
    serve: Serve, node: FakeNode, method: str, path: str, options: dict[str, Any], status: int
) -> None:
    """Whatever goes wrong is in the description of its route, with the shape of a problem."""
    node.not_ready.append("disk low")
    node.away_enabled = False
    with serve(token=TOKEN) as client:
        client.headers["Authorization"] = f"Bearer {TOKEN}"
        answer = client.request(method, path, **options)
        document = client.get("/openapi.json").json()
    assert answer.status_code == status
    route = re.sub("/none", "/{event_id}", path.partition("?")[0])
    content = document["paths"][route][method.lower()]["responses"][str(status)]["content"]
    kind = answer.headers["content-type"]
    validator(document, content[kind]["schema"]).validate(answer.json())


def test_description_says_where_it_is(client: httpx.Client) -> None:
    """A client made from /openapi.json finds the routes below the path that the proxy tells of, and no other's word."""
    with proxied(*address_of(client), {"X-Forwarded-Prefix": PREFIX}) as address:
        assert httpx.get(f"{address}openapi.json").json()["servers"] == [{"url": PREFIX}]
    for odd in ("", "/", "//evil.example", "https://evil.example", "tocsin", "/a b", "/a?b"):
        assert "servers" not in client.get("/openapi.json", headers={"X-Forwarded-Prefix": odd}).json()


def test_every_answer_to_an_upload_is_counted_from_nought(client: httpx.Client, document: dict[str, Any]) -> None:
    """Whatever status the description has: the first of them is an increase."""
    figures = client.get("/metrics").text
    for status in (*document["paths"]["/classify"]["post"]["responses"], "499"):
        assert f'tocsin_classify_requests_total{{code="{status}"}} 0.0\n' in figures
