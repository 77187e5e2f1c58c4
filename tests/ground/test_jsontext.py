"""Every JSON that leaves is JSON."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.api.encode import NodeJson
from edge.cli.common import say_json
from edge.jsontext import dumps, encoded
from edge.publish.mqtt import _encode

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    max_leaves=10,
)


def strict(text: str | bytes) -> Any:
    """Read JSON as every parser but Python's does."""

    def refuse(constant: str) -> None:
        msg = f"{constant} is no JSON"
        raise ValueError(msg)

    return json.loads(text, parse_constant=refuse)


@given(VALUES)
def test_whatever_is_encoded_is_json_and_keeps_what_is_a_number(value: Any) -> None:
    """NaN and the infinities become null, wherever they are; nothing else changes."""
    again = strict(dumps(value))
    assert again == json.loads(json.dumps(value), parse_constant=lambda _: None)
    assert strict(encoded(value)) == again


@dataclass(frozen=True)
class Level:
    """A record with an optional field."""

    laeq: float | None
    note: str | None = None


def test_record_is_an_object_of_its_fields() -> None:
    """Records may be anywhere in a value; what is None by default is left out where it is None."""
    value = {"now": Level(math.nan), "all": [Level(-31.5, "loud"), Level(None)]}
    again = {"now": {"laeq": None}, "all": [{"laeq": -31.5, "note": "loud"}, {"laeq": None}]}
    assert strict(encoded(value)) == again
    assert strict(dumps(Level(1.0, "é"))) == {"laeq": 1.0, "note": "é"}
    with pytest.raises(TypeError, match="set is no JSON value"):
        dumps({"a": {1}})


FIGURES = {"score": math.nan, "level": {"laeq": -math.inf}, "l": [1.0, math.inf]}
NULLS = {"score": None, "level": {"laeq": None}, "l": [1.0, None]}


def test_every_way_out_says_null(capsys: pytest.CaptureFixture[str]) -> None:
    """The command line, the API and the broker."""
    say_json(FIGURES)
    assert strict(capsys.readouterr().out) == NULLS
    assert strict(bytes(NodeJson(FIGURES).body)) == NULLS
    assert strict(_encode(FIGURES)) == NULLS


def test_what_is_no_unicode_leaves_as_text_that_every_program_takes() -> None:
    """A file's name may be any bytes; JSON in an answer or at the broker is UTF-8, and escapes no half character."""
    for encode in (_encode, lambda value: bytes(NodeJson(value).body)):
        assert encode({"spec": "file:\udcff é"}).decode() == '{"spec":"file:\ufffd é"}'
