"""AsyncAPI description of the node's topics: `python -m edge.publish.asyncapi > deploy/asyncapi.json`."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from typing import Any

import edge
from edge.jsontext import dumps
from edge.publish.messageschemas import CLAP, INFO, LEVEL, NODE_STATUS, SOURCE_STATUS, SWITCH, event_payload
from edge.publish.topics import Topics, label_name

Json = dict[str, Any]
_QOS = 1  # of subscriptions, too
_LABEL = "label"
_TEXT, _JSON = "text/plain", "application/json"
_PARAMETERS: dict[str, Json] = {
    "base": {"description": "`mqtt.base` of the configuration", "default": "tocsin"},
    "node": {"description": "`node.id` of the configuration, else the host name", "examples": ["street-12"]},
    "source": {"description": "name of a source", "examples": ["mic"]},
    "label": {
        "description": "a label in lower-case letters, digits and dashes; `label-` and a number without any of them",
        "examples": ["siren"],
    },
}
_ABOUT = (
    "Topics of one node. A message with QoS 1 may come twice. States are retained: of those, only `status` of the node "
    "changes after a crash, by its last will. The topics below `homeassistant.prefix` are described by Home Assistant."
)


@dataclass(frozen=True)
class _Channel:
    """A topic with its messages, as deploy/mqtt.md lists it."""

    name: str
    address: str
    summary: str
    payload: Json
    retain: bool
    qos: int = _QOS
    receive: bool = False
    """Whether the node receives the messages; else it sends them."""

    @property
    def content_type(self) -> str:
        """The content type of a message: JSON for objects, else text."""
        return _JSON if self.payload["type"] == "object" else _TEXT

    @property
    def message(self) -> str:
        """The name of its message."""
        return f"{self.name}Message"

    @property
    def action(self) -> str:
        """The action of the node."""
        return "receive" if self.receive else "send"

    @property
    def operation(self) -> str:
        """The name of its operation."""
        return f"{self.action}{self.name[0].upper()}{self.name[1:]}"

    def to_channel(self) -> Json:
        """Return the channel object."""
        names = re.findall(r"{(\w+)}", self.address)
        return {
            "address": self.address,
            "summary": self.summary,
            "messages": {self.message: {"$ref": f"#/components/messages/{self.message}"}},
            "parameters": {name: {"$ref": f"#/components/parameters/{name}"} for name in names},
        }

    def to_operation(self) -> Json:
        """Return the operation object, with QoS and retain flag, which commands should have as well."""
        return {
            "action": self.action,
            "channel": {"$ref": f"#/channels/{self.name}"},
            "summary": self.summary,
            "messages": [{"$ref": f"#/channels/{self.name}/messages/{self.message}"}],
            "bindings": {"mqtt": {"qos": self.qos, "retain": self.retain, "bindingVersion": "0.2.0"}},
        }

    def to_message(self) -> Json:
        """Return the message object."""
        return {
            "name": self.message,
            "summary": self.summary,
            "contentType": self.content_type,
            "payload": self.payload,
        }


def make_document() -> Json:
    """Return the description of a node that uses every topic."""
    channels = _channels(Topics("{base}", "{node}"), "{source}")
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Tocsin", "version": edge.__version__, "description": _ABOUT},
        "defaultContentType": _JSON,
        "servers": {
            "broker": {
                "host": "127.0.0.1:1883",
                "protocol": "mqtt",
                "description": "the broker of `mqtt.host` and `mqtt.port`; MQTT 3.1.1 and 5, with or without TLS",
            }
        },
        "channels": {channel.name: channel.to_channel() for channel in channels},
        "operations": {channel.operation: channel.to_operation() for channel in channels},
        "components": {
            "messages": {channel.message: channel.to_message() for channel in channels},
            "parameters": _PARAMETERS,
        },
    }


def _channels(topics: Topics, source: str) -> list[_Channel]:
    sound = topics.sound(source, _LABEL).removesuffix(label_name(_LABEL)) + "{label}"
    return [
        _Channel("nodeStatus", topics.status, "State of the node.", NODE_STATUS, retain=True),
        _Channel("nodeInfo", topics.info, "Version, model and sources of the node.", INFO, retain=True),
        _Channel("sourceStatus", topics.source_status(source), "State of a source.", SOURCE_STATUS, retain=True),
        _Channel("event", topics.event(source), "Start, update or end of a sound.", event_payload(), retain=False),
        _Channel("sound", sound, "`ON` while a sound lasts.", SWITCH, retain=True),
        _Channel("level", topics.level(source), "Level of a second.", LEVEL, retain=False, qos=0),
        _Channel("clap", topics.clap(source), "A clap pattern, or a sound while away.", CLAP, retain=False),
        _Channel("detectSet", topics.detect_set(source), "Switches a source.", SWITCH, retain=False, receive=True),
        _Channel("detectState", topics.detect_state(source), "`ON` while a source is enabled.", SWITCH, retain=True),
        _Channel("awaySet", topics.away_set, "Switches the away mode.", SWITCH, retain=False, receive=True),
        _Channel("awayState", topics.away_state, "`ON` while the away mode is on.", SWITCH, retain=True),
    ]


if __name__ == "__main__":
    sys.stdout.write(dumps(make_document(), indent=2, ensure_ascii=False) + "\n")
