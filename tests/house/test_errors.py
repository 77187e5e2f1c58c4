"""Errors carry facts: no text holds a remedy, and nothing takes a text apart."""

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


def name_of(node: ast.expr) -> str:
    """Return the last name of an expression such as `errors.DataError`; empty for another one."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


@functools.lru_cache
def error_names() -> frozenset[str]:
    """Return the names of `TocsinError` and of every class that is one."""
    classes = [node for path in SOURCES for node in ast.walk(parse(path)) if isinstance(node, ast.ClassDef)]
    names = {"TocsinError"}
    while more := {each.name for each in classes if names & set(map(name_of, each.bases))} - names:
        names |= more
    return frozenset(names)


def functions() -> Iterator[tuple[Path, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Yield every function with its module."""
    for path in SOURCES:
        for node in ast.walk(parse(path)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                yield path, node


def texts_of(what: ast.expr, function: ast.AST) -> Iterator[str]:
    """Yield the literal parts of an error's text, given there or in a variable of the function."""
    if isinstance(what, ast.Name):
        for node in ast.walk(function):
            if isinstance(node, ast.Assign) and what.id in map(name_of, node.targets):
                yield from texts_of(node.value, function) if not isinstance(node.value, ast.Name) else ()
        return
    for node in ast.walk(what):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def test_the_remedy_is_no_part_of_the_text() -> None:
    """It has a field of its own, which `str` puts behind the text."""
    bad = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {text}"
        for path, function in functions()
        for node in ast.walk(function)
        if isinstance(node, ast.Call) and name_of(node.func) in error_names() and node.args
        for text in texts_of(node.args[0], function)
        if "; " in text
    ]
    assert not bad, "\n".join(bad)


def test_no_text_of_an_error_is_taken_apart() -> None:
    """Whoever needs the facts of an error has its fields."""
    bad = []
    for path in SOURCES:
        for handler in ast.walk(parse(path)):
            if not isinstance(handler, ast.ExceptHandler) or handler.type is None or handler.name is None:
                continue
            kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
            if error_names() & set(map(name_of, kinds)):
                bad += [f"{path.relative_to(ROOT)}:{line}" for line in reads_of(handler, handler.name)]
    assert not bad, "\n".join(bad)


def reads_of(handler: ast.ExceptHandler, name: str) -> Iterator[int]:
    """Yield the lines on which a handler looks into the text of the error `name`."""
    text = f"str({name})"
    for node in ast.walk(handler):
        if isinstance(node, ast.Compare) and any(isinstance(kind, (ast.In, ast.NotIn)) for kind in node.ops):
            looked = text in map(ast.unparse, node.comparators)
        elif isinstance(node, (ast.Attribute, ast.Subscript)):
            looked = ast.unparse(node.value) == text or ast.unparse(node) == f"{name}.args"
        else:
            looked = False
        if looked:
            yield node.lineno
