"""A progress bar on standard error: on a terminal alone, and only for what takes a while."""

from __future__ import annotations

import contextlib
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_PATIENCE_S = 1.0


@contextlib.contextmanager
def show_progress(what: str, *, shown: bool) -> Iterator[Callable[[float, float | None], None]]:
    """Yield a function that takes how much is done and how much there is, None where that is unknown."""
    if not (shown and sys.stderr.isatty()):
        yield lambda _done, _total: None
        return
    from rich.console import Console
    from rich.progress import Progress

    # Standard output is the command's and goes where the user sent it, never through the bar.
    progress = Progress(console=Console(stderr=True), transient=True, redirect_stdout=False)
    task = progress.add_task(what, total=None)
    begin = time.monotonic()

    def update(done: float, total: float | None) -> None:
        progress.update(task, completed=done, total=total)
        if time.monotonic() - begin > _PATIENCE_S:
            progress.start()

    try:
        yield update
    finally:
        progress.stop()
