"""A progress bar on standard error, for slow commands on a terminal."""

from __future__ import annotations

import contextlib
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_DELAY_S = 1.0  # before the bar appears


@contextlib.contextmanager
def show_progress(what: str, *, shown: bool) -> Iterator[Callable[[float, float | None], None]]:
    """Show a progress bar; yield a function that takes the amounts done and in total.

    A total of None means unknown.
    """
    if not (shown and sys.stderr.isatty()):
        yield lambda _done, _total: None
        return
    from rich.console import Console
    from rich.progress import Progress

    # The command writes to standard output itself; the bar must not redirect it.
    progress = Progress(console=Console(stderr=True), transient=True, redirect_stdout=False)
    task = progress.add_task(what, total=None)
    begin = time.monotonic()

    def update(done: float, total: float | None) -> None:
        progress.update(task, completed=done, total=total)
        if time.monotonic() - begin > _DELAY_S:
            progress.start()

    try:
        yield update
    finally:
        progress.stop()
