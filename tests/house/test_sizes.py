"""Sizes of functions, modules and constructors."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
FUNCTION_LINES_MAX = 40
MODULE_LINES_MAX = 300
CONSTRUCTOR_ARGUMENTS_MAX = 7


def find_excesses(text: str) -> Iterator[str]:
    """Yield what is too large in a module; the generated constructors of dataclasses do not count."""
    if (lines := len(text.splitlines())) > MODULE_LINES_MAX:
        yield f"the module has {lines} lines"
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        lines = (node.end_lineno or node.lineno) - node.lineno + 1
        if lines > FUNCTION_LINES_MAX:
            yield f"{node.name} has {lines} lines"
        if node.name in ("__init__", "__new__") and (arguments := count_arguments(node)) > CONSTRUCTOR_ARGUMENTS_MAX:
            yield f"{node.name} has {arguments} arguments"


def count_arguments(method: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return the number of a method's arguments besides `self`."""
    given = method.args
    every = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
    return len([each for each in every if each]) - 1


@pytest.mark.parametrize("package", ["edge", "training", "export"])
def test_functions_modules_and_constructors_are_small(package: str) -> None:
    """A larger one is split where it reads better."""
    paths = sorted((ROOT / package).rglob("*.py"))
    assert len(paths) > 1
    found = [
        f"{path.relative_to(ROOT)}: {text}"
        for path in paths
        for text in find_excesses(path.read_text(encoding="utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize("more", [0, 1])
@pytest.mark.parametrize(
    ("text", "fill", "most", "excess"),
    [
        ("def f():\n{}", "    x = 1\n", FUNCTION_LINES_MAX - 1, "f has 41 lines"),
        ("class A:\n    async def f(self):\n{}", "        x = 1\n", FUNCTION_LINES_MAX - 1, "f has 41 lines"),
        ("{}", "x = 1\n", MODULE_LINES_MAX, "the module has 301 lines"),
        (
            "class A:\n    def __init__(self, b, *, {}**d): ...\n",
            "c, ",
            CONSTRUCTOR_ARGUMENTS_MAX - 2,
            "__init__ has 8 arguments",
        ),
    ],
)
def test_one_more_than_the_limit_is_found(text: str, fill: str, most: int, excess: str, more: int) -> None:
    """The limit itself is allowed."""
    assert list(find_excesses(text.format(fill * (most + more)))) == [excess] * more
