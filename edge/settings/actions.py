"""Settings of actions."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr, StringConstraints, model_validator

from edge.settings.invalid import InvalidValueError
from edge.settings.section import FilePath, Secret, Section, Text, Topic, WebAddress

_LATIN_1 = 0xFF


class Toggle(Section):
    """State of a device, and the payloads that switch it on and off."""

    state_topic: Topic = Field(description="topic of the device's state")
    state_key: Text = Field(
        "", description="key in a JSON state, such as state or POWER; empty: the payload is the state"
    )
    on: Text = Field("ON", description="state that means on")
    payload_on: Text = Field("ON", description="payload that switches the device on")
    payload_off: Text = Field("OFF", description="payload that switches the device off")


class MqttAction(Section):
    """An MQTT message to the broker of this node."""

    type: Literal["mqtt"]
    topic: Topic = Field(description="topic of the message")
    payload: Text = Field("", description="payload; may use $event $source $node $time")
    qos: Literal[0, 1] = Field(1, description="1: the broker confirms the message")
    retain: bool = Field(False, description="true: the broker keeps the message")
    toggle: Toggle | None = Field(None, description="switch a device to the opposite of its state, instead of payload")
    expire_s: float = Field(5.0, gt=0.0, le=3600.0, description="seconds after which an unsent message is dropped")

    @model_validator(mode="after")
    def _check_payload(self) -> MqttAction:
        if self.toggle is not None and self.payload:
            msg = "has both a payload and a toggle"
            raise InvalidValueError(msg, remedy="remove the payload, because the toggle has its own")
        return self


def _check_header_value(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if not (text.isprintable() or text.replace("\t", "").isprintable()) or any(ord(sign) > _LATIN_1 for sign in text):
        msg = "holds a character that HTTP does not allow in a header"
        raise ValueError(msg)
    return value


_HeaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$", max_length=256)]
_HeaderValue = Annotated[Secret, AfterValidator(_check_header_value)]


class WebhookAction(Section):
    """An HTTP request."""

    type: Literal["webhook"]
    url: WebAddress = Field(description="http or https address")
    method: Literal["GET", "POST", "PUT"] = Field("POST", description="HTTP method; POST and PUT send JSON")
    headers: dict[_HeaderName, _HeaderValue] = Field(
        default_factory=dict, description="additional headers, such as Authorization"
    )
    body: Text | None = Field(
        None,
        description="body instead of the event's JSON; may use $event $source $node $time",
        examples=['{"heard": "$event", "at": "$source"}'],
    )
    timeout_s: float = Field(5.0, gt=0.0, le=60.0, description="seconds per attempt")
    tries: int = Field(4, ge=1, le=20, description="maximum number of attempts; the pauses between them grow")
    expire_s: float = Field(30.0, gt=0.0, le=3600.0, description="seconds after the event in which attempts may start")


def _refuse_nul(text: str) -> str:
    if "\0" in text:
        msg = "must not hold a NUL character"
        raise ValueError(msg)
    return text


class CommandAction(Section):
    """A program, started without a shell."""

    type: Literal["command"]
    command: tuple[Annotated[Text, AfterValidator(_refuse_nul)], ...] = Field(
        min_length=1, description="program and arguments; these may use $event $source $node $time"
    )
    timeout_s: float = Field(10.0, gt=0.0, le=600.0, description="seconds after which the program is killed")
    tries: int = Field(2, ge=1, le=20, description="maximum number of attempts")
    expire_s: float = Field(30.0, gt=0.0, le=3600.0, description="seconds after the event in which attempts may start")
    working_dir: FilePath | None = Field(
        None, description="working folder; default: that of the service", examples=["/var/lib/tocsin"]
    )


Action = Annotated[MqttAction | WebhookAction | CommandAction, Field(discriminator="type")]
