"""Plain English: first lines of docstrings, and words to avoid in code, messages and pages."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
ROOMS = sorted(
    path.relative_to(ROOT).as_posix()
    for package in ("edge", "training", "export")
    for path in (ROOT / package, *(ROOT / package).iterdir())
    if path.is_dir() and any(path.glob("*.py"))
)
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for folder in (".", ".github", "deploy", "edge", "training", "export", "tests")
    for path in (ROOT / folder).glob("*.md")
)
WORDS_MAX = 15
AVOIDED = re.compile(
    r'\b((?<!")mends?(?!")|mended|anew|whoever|whatever|nobody|for want of|hearken|thereof|amid|ere|whilst|'
    r"(is|are|was|be) (said|told|heard of)|(?-i:is none|are none)|is no \w+ that)\b",
    re.IGNORECASE,
)
CLAUSE = re.compile(r"(What|Whether|Who|Whom|Where|When|How|Which|Why|That|If|As)\b")
NOT_IMPERATIVE = re.compile(
    r"(What|Whether|Who|Where|When|How|Which|Why|The|A|An|It|This|That|One|Every|Each|All|Whatever|Whoever|\w+ing|"
    r"(?!Pass|Process|Press|Guess|Express|Address|Compress|Suppress|Assess|Access|Miss|Dismiss|Cross|Discuss|Focus|"
    r"Bias|Canvas|Class)\w+s)\b"
)


def modules(room: str) -> Iterator[tuple[Path, ast.Module]]:
    """Yield the modules of a room with their trees; a package's own folder, without the rooms below."""
    folder = ROOT / room
    files = folder.glob("*.py") if room in ("edge", "training", "export") else folder.rglob("*.py")
    for path in sorted(files):
        yield path, ast.parse(path.read_text(encoding="utf-8"))


def complaints(path: Path, tree: ast.Module) -> Iterator[str]:
    """Yield what is wrong with the first lines of a module's docstrings."""
    for node in ast.walk(tree):
        if not isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        first = (ast.get_docstring(node) or "").partition("\n")[0]
        if not first:
            continue
        where = f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 1)}: {first!r}"
        if len(first.split()) > WORDS_MAX:
            yield f"{where} has more than {WORDS_MAX} words"
        if isinstance(node, (ast.Module, ast.ClassDef)):
            if CLAUSE.match(first):
                yield f"{where} begins with a clause"
        elif NOT_IMPERATIVE.match(first) and not is_property(node):
            yield f"{where} begins with no imperative"


def is_property(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Return whether a function is used as an attribute, which a noun describes."""
    return any(
        getattr(each, "id", getattr(each, "attr", "")) in ("property", "cached_property")
        for each in node.decorator_list
    )


@pytest.mark.parametrize("room", ROOMS)
def test_docstrings_begin_plainly(room: str) -> None:
    """A module or class begins with a noun phrase, a function with an imperative, in a line of few words."""
    assert [text for path, tree in modules(room) for text in complaints(path, tree)] == []


@pytest.mark.parametrize("room", ROOMS)
def test_no_word_to_avoid_is_in_code(room: str) -> None:
    """Docstrings, comments and messages use words that everybody knows."""
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path, _ in modules(room)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if AVOIDED.search(line)
    ]
    assert found == []


@pytest.mark.parametrize("page", PAGES)
def test_no_word_to_avoid_is_in_a_page(page: str) -> None:
    """Pages use the same words."""
    lines = (ROOT / page).read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if AVOIDED.search(line)] == []
