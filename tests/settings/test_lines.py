"""Line numbers of keys in any valid TOML."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from edge.settings.lines import find_lines
from edge.settings.text import TomlError, read_toml

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge.settings.keys import Key

NAMES = ("a", "b", "1", "a-b", '"a.b"', "'a b'", '"\\u0061"', '"]"', "'['", '"="', "'#'", '""', '"\'"', '"\\""')
KEYS = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3).flatmap(
    lambda parts: st.sampled_from((".", " . ")).map(lambda dot: dot.join(parts))
)
VALUES = st.sampled_from(
    (
        "{line}",
        "[{line}, {line}]",
        "[\n  [{line}], # ]\n  [{line}]\n]",
        "[\n[{line}]\n]",
        "{ a = {line}, 'b' = { c = [{line}] } }",
        "[{ a = {line} },\n { a = {line} }]",
        "1979-05-27 07:32:00",
        "'[a] = # \"'",
        '"\\"]\\\\"',
        '"""\n[a]\nb = 1\n\\""" \n"""""',
        "'''\n[[a]]\nb = \"1\n'''''",
        '""',
        "''",
        '""""""',
    )
)
STATEMENTS = st.one_of(
    st.tuples(KEYS, VALUES).map(" = ".join),
    st.tuples(KEYS, VALUES).map("=".join),
    KEYS.map("[{}]".format),
    KEYS.map("[ {} ]".format),
    KEYS.map("[[{}]]".format),
    st.sampled_from(("", "# a = 1", "  # [a]")),
)


@st.composite
def documents(draw: st.DrawFn) -> str:
    """Generate TOML in which each number is the line of its statement."""
    text = ""
    for statement in draw(st.lists(STATEMENTS, max_size=12)):
        indent, end = draw(st.sampled_from(("", "  ", "\t"))), draw(st.sampled_from(("", " # [c]", "\r")))
        line = text.count("\n") + 1
        more = f"{text}{indent}{statement.replace('{line}', str(line))}{end}\n"
        try:
            read_toml(more)
        except TomlError:  # a key twice, or a table below a value
            continue
        text = more
    return text


def find_numbers(value: Any, key: Key = ()) -> Iterator[tuple[Key, int]]:
    """Yield the numbers in a document with their keys."""
    if isinstance(value, int):
        yield key, value
    elif isinstance(value, dict | list):
        for part, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from find_numbers(item, (*key, part))


@given(documents())
def test_every_value_is_found_on_its_line(text: str) -> None:
    """Arrays of tables, strings of several lines, and names with dots, quotes and brackets are included."""
    lines = find_lines(text)
    for key, line in find_numbers(read_toml(text)):
        place = next(key[:n] for n in range(len(key), 0, -1) if key[:n] in lines)
        assert lines[place] == line, (key, place)


@given(documents())
def test_every_line_belongs_to_a_value(text: str) -> None:
    """Each key leads to a value of the document."""
    for key in find_lines(text):
        value: Any = read_toml(text)
        for part in key:
            value = value[part]
