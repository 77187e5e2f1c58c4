"""Line numbers of the keys in a TOML text, which its reader does not return."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from edge.settings.text import read_toml

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from edge.settings.keys import Key

_DEPTH = 16  # deepest key with a line number; every real key is less than half as deep
_PIECE = re.compile(
    r"""
    "{3} (?: \\. | [^\\] )*? "{3,5}  # texts of several lines; up to two quotes before the last three belong to them
    | '{3} .*? '{3,5}
    | " (?: \\. | [^"\\] )* "
    | ' [^']* '
    | \# [^\n]*
    | [\[\]{}=\n]
    | [^\[\]{}=\n"'\#]+
    """,
    re.VERBOSE | re.DOTALL,
)
_NESTING = {"[": 1, "{": 1, "]": -1, "}": -1}


def find_lines(text: str) -> dict[Key, int]:
    """Return the line number (from 1) of each key and table of valid TOML.

    Keys inside an array or an inline table are left out.
    """
    found: dict[Key, int] = {}
    newest: dict[Key, int] = {}
    table: Key = ()
    for number, head in _split_statements(text):
        if head.startswith("[["):
            *above, name = _split_key(head[2:-2])
            array = (*_resolve(above, newest), name)
            newest[array] = newest.get(array, -1) + 1
            key = table = (*array, newest[array])
        elif head.startswith("["):
            key = table = _resolve(_split_key(head[1:-1]), newest)
        else:
            key = (*table, *_split_key(head))
        for n in range(1, len(key) + 1):
            found.setdefault(key[:n], number)
    return found


def _split_statements(text: str) -> Iterator[tuple[int, str]]:
    """Yield the first line number and the head of each statement.

    The head is that of a table, or the key before an equals sign.
    """
    number = begin = 1
    depth, head, in_value = 0, "", False
    for piece in _PIECE.findall(f"{text}\n"):
        if piece == "\n" and not depth:
            if head.strip():
                yield begin, head.strip()
            begin, head, in_value = number + 1, "", False
        elif in_value:
            depth += _NESTING.get(piece, 0)
        elif piece == "=":
            in_value = True
        elif not piece.startswith("#"):
            head += piece
        number += piece.count("\n")


def _split_key(key: str) -> Key:
    """Split a dotted key into its names."""
    parts: list[str | int] = []
    values = read_toml(f"{key} = 0")
    while isinstance(values, dict) and len(parts) < _DEPTH:
        ((part, values),) = values.items()
        parts.append(part)
    return tuple(parts)


def _resolve(parts: Iterable[str | int], newest: Mapping[Key, int]) -> Key:
    """Add the newest index of each array in the path of a table."""
    key: Key = ()
    for part in parts:
        key = (*key, part)
        if key in newest:
            key = (*key, newest[key])
    return key
