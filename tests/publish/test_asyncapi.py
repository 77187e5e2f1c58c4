"""deploy/asyncapi.json describes every topic, as the node and its page have them."""

from __future__ import annotations

import json
import re
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft7Validator

from edge.data import street_path
from edge.publish.asyncapi import make_document
from edge.publish.messageschemas import CLAP
from edge.publish.payload import event_schema, pattern_message
from edge.publish.topics import Topics
from tests.support.listener import Listener
from tests.support.node import RunningNode

if TYPE_CHECKING:
    from tests.support.broker import Broker

DEPLOY = Path(__file__).parents[2] / "deploy"
DOCUMENT = make_document()


def closed(required: str, optional: str = "", **kinds: Any) -> dict[str, Any]:
    """Return the schema of an object of AsyncAPI 3.0 that has these members and no others."""
    names = [*required.split(), *optional.split()]
    properties = {name: kinds.get(name, {}) for name in names}
    return {"type": "object", "required": required.split(), "properties": properties, "additionalProperties": False}


def each(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a map of such objects, by names that are allowed."""
    return {"type": "object", "patternProperties": {r"^[\w.-]+$": schema}, "additionalProperties": False}


REFERENCE = closed("$ref")
OPERATION = closed(
    "action channel", "summary messages bindings",
    action={"enum": ["send", "receive"]}, channel=REFERENCE, messages={"type": "array", "items": REFERENCE},
    bindings=closed(
        "mqtt", mqtt=closed("qos retain bindingVersion", qos={"enum": [0, 1, 2]}, retain={"type": "boolean"})
    ),
)  # fmt: skip
STRUCTURE = closed(
    "asyncapi info", "defaultContentType servers channels operations components",
    asyncapi={"const": "3.0.0"},
    info=closed("title version", "description"),
    servers=each(closed("host protocol", "description")),
    channels=each(
        closed("address messages", "summary parameters", messages=each(REFERENCE), parameters=each(REFERENCE))
    ),
    operations=each(OPERATION),
    components=closed(
        "messages parameters",
        messages=each(closed("payload", "name summary contentType")),
        parameters=each(closed("description", "default examples")),
    ),
)  # fmt: skip
"""As much of the specification as the document uses."""


def operations() -> list[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Return address, MQTT binding and payload schema of every operation."""
    found = []
    for operation in DOCUMENT["operations"].values():
        channel = resolved(operation["channel"])
        message = resolved(resolved(operation["messages"][0]))
        found.append((channel["address"], operation["bindings"]["mqtt"], message["payload"]))
    return found


def resolved(reference: dict[str, str]) -> Any:
    """Return what a reference stands for."""
    value: Any = DOCUMENT
    for name in reference["$ref"].removeprefix("#/").split("/"):
        value = value[name]
    return value


def test_shipped_description_is_the_generated_one() -> None:
    """deploy/asyncapi.json is what `python -m edge.publish.asyncapi` prints."""
    shipped = json.loads((DEPLOY / "asyncapi.json").read_text(encoding="utf-8"))
    assert shipped == DOCUMENT, "run: python -m edge.publish.asyncapi > deploy/asyncapi.json"


def test_the_document_has_the_structure_of_the_specification() -> None:
    """Its objects have the members of AsyncAPI 3.0, every reference leads somewhere, and payloads are schemas."""
    Draft7Validator(STRUCTURE).validate(DOCUMENT)
    for name in re.findall(r'"\$ref": "([^"]+)"', json.dumps(DOCUMENT)):
        resolved({"$ref": name})
    for channel in DOCUMENT["channels"].values():
        assert set(re.findall(r"{(\w+)}", channel["address"])) == set(channel["parameters"])
    for _, _, payload in operations():
        Draft7Validator.check_schema(payload)
    assert {operation["channel"]["$ref"].rpartition("/")[2] for operation in DOCUMENT["operations"].values()} == set(
        DOCUMENT["channels"]
    )


def test_events_have_their_schema() -> None:
    """The payload of `{source}/event` is that of /schema/event.json."""
    payload = next(payload for address, _, payload in operations() if address.endswith("/event"))
    identity = {"$schema", "$id"}
    assert payload == {key: value for key, value in event_schema().items() if key not in identity}


def test_every_topic_is_described() -> None:
    """Neither the code nor the page has one more."""
    names = {name for name in vars(Topics) if not name.startswith("_")}
    assert len(names) == len(DOCUMENT["channels"]) == len(operations())
    lines = re.findall(
        r"^\| (`.*) \| (yes|no|state) \|", (DEPLOY / "mqtt.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    paged = set()
    for names_, retained in lines:
        first, *others = re.findall(r"`([^`]+)`", names_)
        paged.add((first, retained == "yes"))
        paged |= {(other.replace("…", first.removesuffix("/set")).replace("//", "/"), True) for other in others}
    described = {(address.removeprefix("{base}/{node}/"), mqtt["retain"]) for address, mqtt, _ in operations()}
    assert described == paged


def test_a_pattern_is_as_described() -> None:
    """Also a sound of the away mode, which says whether its time holds."""
    message = pattern_message("double", datetime(2026, 5, 1, tzinfo=timezone.utc), [310], 0.98)
    for payload in (message, {**message, "event_type": "sound", "intervals_ms": [], "clock_synced": True}):
        Draft7Validator(CLAP).validate(payload)


def parse(payload: bytes) -> Any:
    """Return a payload as JSON, or as text where it is none."""
    return json.loads(payload) if payload.startswith(b"{") else payload.decode()


@pytest.mark.broker
def test_every_message_of_a_node_is_described(tmp_path: Path, broker: Broker, listener: Listener) -> None:
    """What a running node sends fits one topic and its payload; what the broker keeps is what is to be retained."""
    patterns = [
        (re.compile(re.sub(r"{\w+}", "[^/]+", address)), mqtt, Draft7Validator(payload))
        for address, mqtt, payload in operations()
    ]
    street = f"file:{street_path()}?speed=8&loop=1"
    with RunningNode(tmp_path, street, mqtt_port=broker.port, config="[away]\nenabled = true"):
        awaited = [f"tocsin/bench/{topic}" for topic in ("s0/event", "s0/level", "away/state", "s0/detect/state")]
        listener.wait(lambda heard: all(heard.last(topic) is not None for topic in awaited), 40)
        late = Listener(broker)
        late.wait(lambda heard: heard.last("tocsin/bench/status") is not None)
    late.close()
    for message in [*listener.messages, *late.messages]:
        if message.payload:
            fitting = [(mqtt, payload) for topic, mqtt, payload in patterns if topic.fullmatch(message.topic)]
            assert len(fitting) == 1, message.topic
            mqtt, payload = fitting[0]
            payload.validate(parse(bytes(message.payload)))
            assert message.qos == mqtt["qos"]
            assert mqtt["retain"] or not message.retain
    assert sum(message.retain for message in late.messages) > 5
