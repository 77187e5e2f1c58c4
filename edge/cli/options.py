"""Shared options of the commands, and groups of commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

# readable=False disables typer's own check: the code that opens a file reports its error, with the right exit code and
# without stopping at the first of several files.
Config = Annotated[
    Path | None,
    typer.Option("--config", readable=False, help="TOML file; default: /etc/tocsin/tocsin.toml, if it exists"),
]
Sources = Annotated[
    list[str] | None,
    typer.Option("--source", metavar="[NAME=]SPEC", help="source instead of the configured ones; repeatable"),
]
OneSource = Annotated[
    str | None,
    typer.Option("--source", metavar="[NAME=]SPEC", help="source instead of the first that takes part"),
]
Json = Annotated[bool, typer.Option("--json", help="machine-readable output")]
Name = Annotated[str, typer.Argument(metavar="ID[@VERSION]", help="a bundle on this device")]


def make_group(text: str, *, completion: bool = False) -> typer.Typer:
    """Return a group without commands; `text` is its help."""
    return typer.Typer(
        help=text,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        add_completion=completion,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
