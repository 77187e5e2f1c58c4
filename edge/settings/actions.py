"""The settings of actions."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr, StringConstraints, model_validator

from edge.settings.invalid import InvalidValueError
from edge.settings.section import FilePath, Secret, Section, Text, Topic, WebAddress

_LATIN_1 = 0xFF


class Toggle(Section):
    """How to learn what a thing does now, so that its opposite can be asked for."""

    state_topic: Topic = Field(description="where the thing says its state")
    state_key: Text = Field("", description="key in a JSON state, such as state or POWER; the whole payload when empty")
    on: Text = Field("ON", description="state that means it is on")
    payload_on: Text = Field("ON", description="payload that switches it on")
    payload_off: Text = Field("OFF", description="payload that switches it off")


class MqttAction(Section):
    """Publish a message at the broker of this node."""

    type: Literal["mqtt"]
    topic: Topic = Field(description="topic to publish at")
    payload: Text = Field("", description="payload; $event $source $node $time are filled in")
    qos: Literal[0, 1] = Field(1, description="1 asks the broker to confirm")
    retain: bool = Field(False, description="whether the broker keeps the message")
    toggle: Toggle | None = Field(None, description="follow the thing's state and ask for the opposite, not payload")
    expire_s: float = Field(5.0, gt=0.0, le=3600.0, description="without the broker, tried for as long as this")

    @model_validator(mode="after")
    def _one_payload(self) -> MqttAction:
        if self.toggle is not None and self.payload:
            msg = "has both a payload and a toggle"
            raise InvalidValueError(msg, remedy="remove the payload, because the toggle has its own")
        return self


def _sendable(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if not (text.isprintable() or text.replace("\t", "").isprintable()) or any(ord(sign) > _LATIN_1 for sign in text):
        msg = "holds a character that HTTP does not allow in a header"
        raise ValueError(msg)
    return value


_HeaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$", max_length=256)]
_HeaderValue = Annotated[Secret, AfterValidator(_sendable)]


class WebhookAction(Section):
    """Call a web address."""

    type: Literal["webhook"]
    url: WebAddress = Field(description="http or https address")
    method: Literal["GET", "POST", "PUT"] = Field("POST", description="POST and PUT send JSON")
    headers: dict[_HeaderName, _HeaderValue] = Field(
        default_factory=dict, description="headers to add, such as Authorization"
    )
    body: Text | None = Field(
        None,
        description="instead of the event's JSON; $event $source $node $time are filled in",
        examples=['{"heard": "$event", "at": "$source"}'],
    )
    timeout_s: float = Field(5.0, gt=0.0, le=60.0, description="for one try")
    tries: int = Field(4, ge=1, le=20, description="at most, with growing waits between them")
    expire_s: float = Field(30.0, gt=0.0, le=3600.0, description="no try begins later than this after the event")


def _no_nul(text: str) -> str:
    if "\0" in text:
        msg = "must not hold a NUL character"
        raise ValueError(msg)
    return text


class CommandAction(Section):
    """Start a program; no shell is involved."""

    type: Literal["command"]
    command: tuple[Annotated[Text, AfterValidator(_no_nul)], ...] = Field(
        min_length=1, description="program and arguments; $event $source … in arguments"
    )
    timeout_s: float = Field(10.0, gt=0.0, le=600.0, description="after which it is killed")
    tries: int = Field(2, ge=1, le=20, description="at most, while it fails")
    expire_s: float = Field(30.0, gt=0.0, le=3600.0, description="no try begins later than this after the event")
    working_dir: FilePath | None = Field(
        None, description="folder to run in; the service's when not set", examples=["/var/lib/tocsin"]
    )


Action = Annotated[MqttAction | WebhookAction | CommandAction, Field(discriminator="type")]
