"""Options that several commands share, and the group that commands stand in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

# Whether a file can be read is said by whoever opens it, with the code for it and without the loss of others: hence
# readable=False, which switches typer's own look off.
Config = Annotated[
    Path | None,
    typer.Option("--config", readable=False, help="TOML file; else /etc/tocsin/tocsin.toml, if there"),
]
Sources = Annotated[
    list[str] | None,
    typer.Option("--source", metavar="[NAME=]SPEC", help="instead of the configured ones; may be repeated"),
]
OneSource = Annotated[
    str | None, typer.Option("--source", metavar="[NAME=]SPEC", help="instead of the first that listens for claps")
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
