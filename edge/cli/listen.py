"""`tocsin listen`: level, scores and events of the sources in the terminal. Nothing is kept or sent."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from edge.cli.common import find_models_folder, find_own_folder, read_settings, set_up_service_log
from edge.cli.view import ConsoleHandler, View
from edge.inference.library import Library
from edge.node import service
from edge.settings.profiles import make_listen_settings

if TYPE_CHECKING:
    from edge.node.node import Node
    from edge.settings.tree import Settings


def listen(config: Path | None, sources: list[str]) -> int:
    """Watch until Ctrl-C; in a pipe there are only the events, a line each."""
    console = Console()
    with tempfile.TemporaryDirectory(prefix="tocsin-listen-") as folder:

        def read() -> Settings:
            return _make_settings(read_settings(config, sources), Path(folder))

        quiet = read()
        set_up_service_log(quiet.logging, ConsoleHandler(console) if console.is_terminal else None, events=False)
        view = View(console)

        def attach(node: Node) -> None:
            view.attach(node.web)

        try:
            return service.run(quiet, state_dir=Path(folder), reread=read, until_finished=True, on_node=attach)
        finally:
            view.close()


def _make_settings(settings: Settings, folder: Path) -> Settings:
    """Return settings of a node that keeps to itself, with the networks that the real one uses."""
    library = Library(find_models_folder(settings))
    return make_listen_settings(
        settings,
        folder=folder,
        model=library.resolve(settings.model.bundle)[0],
        engines=find_own_folder(settings) / "tensorrt",
        claps=library.resolve_clap_network(settings.claps.bundle)[0],
    )
