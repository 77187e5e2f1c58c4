"""The commands below `config`, `model` and `claps`.

Each imports its modules when it runs, as in `edge.cli.app`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edge.cli.options import Config, Json, Name, OneSource, make_group

config_app = make_group("Check and show the configuration.")
model_app = make_group("Manage the model bundles on this device.")
claps_app = make_group("Learn and test clap patterns.")


@config_app.command("check")
def config_check(config: Config = None) -> int:
    """Check whether the configuration is valid."""
    from edge.cli import configs

    return configs.check_configuration(config)


@config_app.command("show")
def config_show(
    config: Config = None,
    *,
    rules: Annotated[bool, typer.Option("--rules", help="print the rules of each label and their origin")] = False,
    json: Json = False,
) -> int:
    """Print the effective values, with secrets masked."""
    from edge.cli import configs

    if rules:
        return configs.print_rules(config, as_json=json)
    return configs.print_settings(config, as_json=json)


@config_app.command("schema")
def config_schema(config: Config = None) -> int:  # noqa: ARG001 - every config command takes it
    """Print the JSON Schema of the configuration."""
    from edge.cli import configs

    return configs.print_schema()


@config_app.command("example")
def config_example() -> int:
    """Print a commented configuration with every key."""
    from edge.cli import configs

    return configs.print_example()


@model_app.command("list")
def model_list(config: Config = None, *, json: Json = False) -> int:
    """List the bundles and mark the one in use."""
    from edge.cli import models

    return models.print_bundles(config, as_json=json)


@model_app.command("info")
def model_info(
    name: Annotated[str | None, typer.Argument(metavar="[ID[@VERSION]]", help="default: the one in use")] = None,
    config: Config = None,
    *,
    json: Json = False,
) -> int:
    """Show a bundle's labels, thresholds, figures and licence note."""
    from edge.cli import models

    return models.print_bundle(name, config, as_json=json)


@model_app.command("install")
def model_install(
    path: Annotated[Path, typer.Argument(metavar="PATH", readable=False, help="folder, .zip or .tar of a bundle")],
    config: Config = None,
) -> int:
    """Check and install a bundle; 'activate' puts it to use."""
    from edge.cli import models

    return models.install(path, config)


@model_app.command("activate")
def model_activate(name: Name, config: Config = None) -> int:
    """Use a bundle from the next start of the service."""
    from edge.cli import models

    return models.activate(name, config)


@model_app.command("rollback")
def model_rollback(config: Config = None) -> int:
    """Go back to the bundle that was in use before."""
    from edge.cli import models

    return models.roll_back(config)


@model_app.command("verify")
def model_verify(
    names: Annotated[list[str] | None, typer.Argument(metavar="[ID[@VERSION]|PATH]...", help="default: all")] = None,
    config: Config = None,
) -> int:
    """Check the files and the golden recording of bundles."""
    from edge.cli import models

    return models.verify(names or [], config)


@claps_app.command("learn")
def claps_learn(
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="name of the pattern")] = "own",
    config: Config = None,
    source: OneSource = None,
    takes: Annotated[int, typer.Option("--takes", min=2, help="number of takes to ask for")] = 3,
) -> int:
    """Learn a pattern from takes; print its configuration."""
    from edge.cli import claps

    return claps.learn_pattern(name, config, source, takes=takes)


@claps_app.command("test")
def claps_test(config: Config = None, source: OneSource = None, *, json: Json = False) -> int:
    """Show each onset and pattern, and why one does not count."""
    from edge.cli import claps

    return claps.watch_claps(config, source, as_json=json)
