"""`tocsin doctor`: everything a run needs, a line a check, with the mend for what is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge.cli.checks import machine, models, outputs, sources
from edge.cli.checks.check import Check
from edge.cli.common import say, say_json, settings_of
from edge.cli.terminal import one_line
from edge.errors import TocsinError, describe_bug, render
from edge.settings.tree import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CHECKS: tuple[Callable[[Settings], Check], ...] = (
    models.runtime,
    models.model,
    models.claps,
    outputs.actions,
    sources.microphones,
    sources.ffmpeg,
    sources.files,
    outputs.broker,
    machine.state_folder,
    machine.disk,
    outputs.port,
    machine.clock,
)
"""In the order in which they are printed."""


def doctor(config: Path | None, *, as_json: bool) -> int:
    """Print every check; return 1 when one failed."""
    failed = False
    results = []
    for check in examine(config):
        failed |= check.state == "fail"
        results.append(check.as_json())
        if not as_json:
            say(one_line(f"{check.state:5} {check.name:14} {render(check.found, remedy=check.remedy)}"))
    if as_json:
        say_json({"ok": not failed, "checks": results}, indent=2)
    return int(failed)


def examine(config: Path | None) -> Iterator[Check]:
    """Yield every check as soon as it is done."""
    yield machine.python()
    try:
        settings = settings_of(config)
    except TocsinError as exc:
        yield Check("configuration", "fail", str(exc), "the checks below use the defaults")
        settings = Settings()
    else:
        yield Check("configuration", "ok", f"valid, {len(settings.sources)} sources")
    for check in CHECKS:
        try:
            yield check(settings)
        except Exception as exc:  # noqa: BLE001 - what one check meets must not cost the others
            yield Check(check.__name__.replace("_", " "), "fail", describe_bug(exc))
