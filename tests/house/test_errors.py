"""Errors have fields: no text contains a remedy, and no code parses a text."""

from __future__ import annotations

import ast
import functools
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
SOURCES = sorted(path for room in ("edge", "training", "export") for path in (ROOT / room).rglob("*.py"))


@functools.lru_cache
def parse(path: Path) -> ast.Module:
    """Return the tree of a module."""
    return ast.parse(path.read_text(encoding="utf-8"))


def find_name(node: ast.expr) -> str:
    """Return the last name of an expression such as `errors.DataError`, or an empty text."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


@functools.lru_cache
def list_error_names() -> frozenset[str]:
    """Return the names of `TocsinError` and all its subclasses."""
    classes = [node for path in SOURCES for node in ast.walk(parse(path)) if isinstance(node, ast.ClassDef)]
    names = {"TocsinError"}
    while more := {each.name for each in classes if names & set(map(find_name, each.bases))} - names:
        names |= more
    return frozenset(names)


def list_functions() -> Iterator[tuple[Path, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Yield every function with its module."""
    for path in SOURCES:
        for node in ast.walk(parse(path)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                yield path, node


def find_texts(what: ast.expr, function: ast.AST) -> Iterator[str]:
    """Yield the literal parts of an error's text, given there or in a variable of the function."""
    if isinstance(what, ast.Name):
        for node in ast.walk(function):
            if isinstance(node, ast.Assign) and what.id in map(find_name, node.targets):
                yield from find_texts(node.value, function) if not isinstance(node.value, ast.Name) else ()
        return
    for node in ast.walk(what):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def test_the_remedy_is_not_in_the_text() -> None:
    """It has a field of its own, which `str` appends to the text."""
    bad = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {text}"
        for path, function in list_functions()
        for node in ast.walk(function)
        if isinstance(node, ast.Call) and find_name(node.func) in list_error_names() and node.args
        for text in find_texts(node.args[0], function)
        if "; " in text
    ]
    assert not bad, "\n".join(bad)


def test_no_text_of_an_error_is_parsed() -> None:
    """The fields of an error have its facts."""
    bad = []
    for path in SOURCES:
        for handler in ast.walk(parse(path)):
            if not isinstance(handler, ast.ExceptHandler) or handler.type is None or handler.name is None:
                continue
            kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
            if list_error_names() & set(map(find_name, kinds)):
                bad += [f"{path.relative_to(ROOT)}:{line}" for line in find_reads(handler, handler.name)]
    assert not bad, "\n".join(bad)


def find_reads(handler: ast.ExceptHandler, name: str) -> Iterator[int]:
    """Yield the lines on which a handler parses the text of the error `name`."""
    text = f"str({name})"
    for node in ast.walk(handler):
        if isinstance(node, ast.Compare) and any(isinstance(kind, (ast.In, ast.NotIn)) for kind in node.ops):
            found = text in map(ast.unparse, node.comparators)
        elif isinstance(node, (ast.Attribute, ast.Subscript)):
            found = ast.unparse(node.value) == text or ast.unparse(node) == f"{name}.args"
        else:
            found = False
        if found and isinstance(node, ast.expr):
            yield node.lineno
