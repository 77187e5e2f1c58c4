"""`tocsin listen`: level, scores and events in the terminal.

Nothing is stored or sent.
"""

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
    """Show the sources until Ctrl-C; in a pipe print only events, one per line."""
    console = Console()
    with tempfile.TemporaryDirectory(prefix="tocsin-listen-") as folder:

        def read() -> Settings:
            return _make_settings(read_settings(config, sources), Path(folder))

        settings = read()
        set_up_service_log(settings.logging, ConsoleHandler(console) if console.is_terminal else None, events=False)
        view = View(console)

        def attach(node: Node) -> None:
            view.attach(node.web)

        try:
            return service.run(settings, state_dir=Path(folder), reread=read, until_finished=True, on_node=attach)
        finally:
            view.close()


def _make_settings(settings: Settings, folder: Path) -> Settings:
    """Return settings of a node that stores and sends nothing.

    It uses the bundles of the configured node.
    """
    library = Library(find_models_folder(settings))
    return make_listen_settings(
        settings,
        folder=folder,
        model=library.resolve(settings.model.bundle)[0],
        engines=find_own_folder(settings) / "tensorrt",
        claps=library.resolve_clap_network(settings.claps.bundle)[0],
    )
