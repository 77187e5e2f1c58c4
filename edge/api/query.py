"""Query strings: refusal of unknown parameters, and lists in both notations."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_origin

from fastapi import Request

from edge.errors import UsageError, suggest

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence


async def refuse_unknown(request: Request) -> None:
    """Refuse unknown and repeated parameters; a dependency of routes."""
    fields = request.scope["route"].dependant.query_params
    known = query_names(request)
    lists = [field.alias for field in fields if get_origin(field.field_info.annotation) is list]
    for name in request.query_params:
        if name not in known:
            msg = f"query parameter '{name[:80]}' is unknown"
            raise UsageError(msg, remedy=suggest(name, known) if known else "this route has none")
        if name not in lists and len(request.query_params.getlist(name)) > 1:
            msg = f"query parameter '{name}' is given more than once"
            raise UsageError(msg, remedy="give one value")


def query_names(request: Request) -> list[str]:
    """Return the names of the query parameters of a request's route."""
    return [field.alias for field in request.scope["route"].dependant.query_params]


def parse_values(name: str, given: Sequence[str], known: Collection[str], is_known: Callable[[str], bool]) -> list[str]:
    """Return the values of a parameter, repeated or separated by commas, without empty ones.

    A value that is not in `known` must be accepted by `is_known`, which may be slow; else UsageError.
    """
    chosen: dict[str, None] = {}
    for text in given:
        is_one = text in known or ("," in text and is_known(text))  # a name may contain a comma
        chosen |= dict.fromkeys([text] if is_one else [part for part in text.split(",") if part])
    for value in chosen:
        if value not in known and not is_known(value):
            msg = f"there is no {name} '{value[:80]}'"
            raise UsageError(msg, where=f"query parameter {name}", remedy=suggest(value, sorted(known)))
    return list(chosen)
