"""Further measured tables for a model card, from a JSON file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from edge.errors import DataError
from training.report.tables import Table

if TYPE_CHECKING:
    from pathlib import Path


def read_proof(path: Path) -> str:
    """Return the Markdown of a file of measured tables.

    The file holds ``{"sections": [{"title", "text", "columns": [name …], "rows": [[value …] …]} …]}``; a section
    without a table leaves `columns` and `rows` out. Raises `DataError` for another file, `OSError` for none.
    """
    try:
        values = json.loads(path.read_text("utf-8"))
        sections = [_section(section) for section in values["sections"]]
    except (ValueError, KeyError, TypeError) as exc:
        msg = f"the file does not hold measured tables ({exc!r}): expected sections of title, text, columns and rows"
        raise DataError(msg, where=path) from exc
    return "\n\n".join(sections)


def _section(values: dict[str, Any]) -> str:
    columns, rows = values.get("columns", []), values.get("rows", [])
    if any(len(row) != len(columns) for row in rows):
        msg = f"a row of {values['title']!r} has not {len(columns)} values"
        raise ValueError(msg)
    parts = [f"## {values['title']}", values.get("text", "").strip()]
    if columns:
        cells = [["-" if value is None else str(value) for value in row] for row in rows]
        parts.append(Table([str(name) for name in columns], cells).to_markdown())
    return "\n\n".join(part for part in parts if part)
