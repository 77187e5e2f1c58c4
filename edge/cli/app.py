"""The commands and their options.

Each command imports its modules when it runs, so that ``--help`` answers at once.
"""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated

import typer

from edge import __version__
from edge.cli.groups import claps_app, config_app, model_app
from edge.cli.options import Config, Json, Sources, make_group

app = make_group("Detect sirens, gunshots, traffic, horns and claps.", completion=True)
app.add_typer(config_app, name="config")
app.add_typer(model_app, name="model")
app.add_typer(claps_app, name="claps")


class AwayAction(str, enum.Enum):
    """Argument of `away`."""

    ON = "on"
    OFF = "off"
    STATUS = "status"


def _print_version(wanted: bool) -> None:  # noqa: FBT001 - typer's callback
    if wanted:
        typer.echo(f"tocsin {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def tocsin(
    ctx: typer.Context,
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="print the version and exit")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="show the traceback of an error")] = False,
) -> None:
    """Detect sirens, gunshots, traffic, horns and claps."""
    if ctx.invoked_subcommand is None and not (version or debug):
        typer.echo(ctx.get_help(), err=True)
        raise typer.Exit(64)


@app.command()
def run(config: Config = None, source: Sources = None) -> int:
    """Run the service in the foreground."""
    from edge.cli import live

    return live.run(config, source or [])


@app.command()
def demo(
    config: Config = None,
    source: Annotated[
        list[str] | None,
        typer.Option("--source", metavar="[NAME=]SPEC", help="source instead of the scene, as in mic; repeatable"),
    ] = None,
    host: Annotated[str | None, typer.Option("--host", help="address of the dashboard; default: as configured")] = None,
    port: Annotated[int | None, typer.Option("--port", min=0, max=65535, help="its port; 0 takes a free one")] = None,
    token: Annotated[str | None, typer.Option("--token", help="token; other users of this machine may see it")] = None,
    token_file: Annotated[Path | None, typer.Option("--token-file", readable=False, help="file with the token")] = None,
    *,
    once: Annotated[bool, typer.Option("--once", help="end after one pass")] = False,
) -> int:
    """Play a street scene through the whole service."""
    from edge.cli import live

    return live.run_demo(config, live.DemoOptions(once, source or (), host, port, token, token_file))


@app.command()
def listen(config: Config = None, source: Sources = None) -> int:
    """Show level, scores and events; store and send nothing."""
    from edge.cli import listen as view

    return view.listen(config, source or [])


@app.command()
def classify(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH...", readable=False, help="recordings, or folders with recordings")
    ],
    config: Config = None,
    top_k: Annotated[int | None, typer.Option("--top-k", min=1, help="number of labels to show")] = None,
    hop: Annotated[float | None, typer.Option("--hop", help="seconds between two windows")] = None,
    *,
    json: Json = False,
) -> int:
    """Classify recordings: labels and events of each."""
    from edge.cli import recordings

    return recordings.classify_recordings(paths, config, top_k=top_k, hop_s=hop, as_json=json)


@app.command()
def replay(
    file: Annotated[Path, typer.Argument(metavar="FILE", readable=False, help="a recording")],
    config: Config = None,
    speed: Annotated[str, typer.Option(metavar="N|max", help="multiple of real time")] = "max",
    source_name: Annotated[str, typer.Option(metavar="NAME", help="name of the source in the events")] = "replay",
    *,
    away: Annotated[bool, typer.Option("--away", help="report any sound above the background")] = False,
) -> int:
    """Print the events of a recording, one CloudEvent a line."""
    from edge.cli import recordings

    return recordings.replay_recording(file, config, speed=speed, source_name=source_name, away=away)


@app.command()
def away(
    state: Annotated[AwayAction, typer.Argument(help="new state; status prints the current one")] = AwayAction.STATUS,
    config: Config = None,
    url: Annotated[str | None, typer.Option("--url", help="address of the node; default: as configured")] = None,
    *,
    json: Json = False,
) -> int:
    """Switch the away mode of the running node, or show it."""
    from edge.cli import away as mode

    return mode.switch_away(state.value, config, url, as_json=json)


@app.command()
def devices(*, json: Json = False) -> int:
    """List the microphones and their ids."""
    from edge.cli import devices as microphones

    return microphones.print_microphones(as_json=json)


@app.command()
def doctor(config: Config = None, *, json: Json = False) -> int:
    """Check everything that a run needs; print remedies."""
    from edge.cli import doctor as checks

    return checks.print_checks(config, as_json=json)


@app.command()
def bench(config: Config = None, *, json: Json = False) -> int:
    """Measure the speed of this machine."""
    from edge.cli import bench as speed

    return speed.run_bench(config, as_json=json)
