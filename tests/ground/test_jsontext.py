"""Valid JSON in every output."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.api.encode import NodeJson
from edge.cli.common import print_json
from edge.jsontext import dumps, encode
from edge.publish.mqtt import _encode

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    max_leaves=10,
)


def parse_strictly(text: str | bytes) -> Any:
    """Parse JSON without the constants that only Python accepts."""

    def refuse(constant: str) -> None:
        msg = f"{constant} is no JSON"
        raise ValueError(msg)

    return json.loads(text, parse_constant=refuse)


@given(VALUES)
def test_encoded_values_are_valid_json(value: Any) -> None:
    """NaN and the infinities become null at any depth; nothing else changes."""
    again = parse_strictly(dumps(value))
    assert again == json.loads(json.dumps(value), parse_constant=lambda _: None)
    assert parse_strictly(encode(value)) == again


@dataclass(frozen=True)
class Level:
    """A record with an optional field."""

    laeq: float | None
    note: str | None = None


def test_record_is_an_object_of_its_fields() -> None:
    """Records may be anywhere in a value; what is None by default is left out where it is None."""
    value = {"now": Level(math.nan), "all": [Level(-31.5, "loud"), Level(None)]}
    again = {"now": {"laeq": None}, "all": [{"laeq": -31.5, "note": "loud"}, {"laeq": None}]}
    assert parse_strictly(encode(value)) == again
    assert parse_strictly(dumps(Level(1.0, "é"))) == {"laeq": 1.0, "note": "é"}
    with pytest.raises(TypeError, match="set is no JSON value"):
        dumps({"a": {1}})


FIGURES = {"score": math.nan, "level": {"laeq": -math.inf}, "l": [1.0, math.inf]}
NULLS = {"score": None, "level": {"laeq": None}, "l": [1.0, None]}


def test_command_line_api_and_broker_write_null(capsys: pytest.CaptureFixture[str]) -> None:
    """Numbers that are not finite are null in each of them."""
    print_json(FIGURES)
    assert parse_strictly(capsys.readouterr().out) == NULLS
    assert parse_strictly(bytes(NodeJson(FIGURES).body)) == NULLS
    assert parse_strictly(_encode(FIGURES)) == NULLS


def test_surrogates_are_replaced() -> None:
    """A file name may contain any bytes; JSON in a response or at the broker is valid UTF-8."""
    for encode_value in (_encode, lambda value: bytes(NodeJson(value).body)):
        assert encode_value({"spec": "file:\udcff é"}).decode() == '{"spec":"file:\ufffd é"}'
