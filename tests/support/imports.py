"""Import graph of a checkout, with imports inside functions and under TYPE_CHECKING."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    Graph = Mapping[str, set[str]]


def import_graph(root: Path, *packages: str) -> Graph:
    """Return the modules that each module of some packages imports."""
    paths = {_name(path.relative_to(root)): path for package in packages for path in (root / package).rglob("*.py")}
    return {name: {other for other in _imports(path, set(paths)) if other != name} for name, path in paths.items()}


def room_graph(modules: Graph, package: str) -> Graph:
    """Return the rooms that each room of a package imports; a module beside the rooms counts as one."""
    rooms: dict[str, set[str]] = {}
    for name, imported in modules.items():
        here = _room(name, package)
        if here:
            rooms.setdefault(here, set()).update(_room(other, package) for other in imported)
    return {here: others - {here, ""} for here, others in rooms.items()}


def layers(graph: Graph) -> list[list[str]]:
    """Return the nodes by layer, the lowest first; raises `graphlib.CycleError` for a circle."""
    sorter, rows = TopologicalSorter(graph), []
    sorter.prepare()
    while sorter.is_active():
        ready = sorter.get_ready()
        rows.append(sorted(ready))
        sorter.done(*ready)
    return rows


def picture(rows: list[list[str]]) -> str:
    """Return a drawing of layers, the highest first."""
    lines = ["   ".join(row) for row in reversed(rows)]
    width = max(map(len, lines)) + 4
    rule = "─" * width
    boxes = f"\n├{rule}┤\n".join(f"│{line:^{width}}│" for line in lines)
    return f"┌{rule}┐\n{boxes}\n└{rule}┘"


def _name(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _room(module: str, package: str) -> str:
    """Return the room of a module; empty for the package itself, its entry and other packages."""
    owner, _, rest = module.partition(".")
    room = rest.partition(".")[0]
    return room if owner == package and room != "__main__" else ""


def _imports(path: Path, known: set[str]) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name if name in known else node.module for name in names if {name, node.module} & known)
