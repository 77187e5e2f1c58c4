"""Query strings: what a route does not know is refused instead of passed over, and lists are read in both ways."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_origin

from fastapi import Request

from edge.errors import UsageError, suggest

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence


async def only_known(request: Request) -> None:
    """Refuse, as a dependency of a route, parameters that it does not have and those that are given twice."""
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
    """Return the query parameters that the route of a request has."""
    return [field.alias for field in request.scope["route"].dependant.query_params]


def any_of(name: str, given: Sequence[str], known: Collection[str], is_known: Callable[[str], bool]) -> list[str]:
    """Return the values of a parameter that was repeated, or lists them with commas; empty ones are left out.

    A value that is not among `known` must be so by `is_known`, which may take a while; UsageError tells which are.
    """
    chosen: dict[str, None] = {}
    for text in given:
        is_one = text in known or ("," in text and is_known(text))  # a name may have a comma in it
        chosen |= dict.fromkeys([text] if is_one else [part for part in text.split(",") if part])
    for value in chosen:
        if value not in known and not is_known(value):
            msg = f"there is no {name} '{value[:80]}'"
            raise UsageError(msg, where=f"query parameter {name}", remedy=suggest(value, sorted(known)))
    return list(chosen)
