"""`tocsin doctor`: checks of everything that a run needs, with remedies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge.cli.checks import machine, models, outputs, sources
from edge.cli.checks.check import Check
from edge.cli.common import print_json, print_text, read_settings
from edge.cli.terminal import escape_line
from edge.errors import TocsinError, describe_bug, render
from edge.settings.tree import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CHECKS: tuple[Callable[[Settings], Check], ...] = (
    models.check_runtime,
    models.check_model,
    models.check_claps,
    outputs.check_actions,
    sources.check_microphones,
    sources.check_ffmpeg,
    sources.check_files,
    outputs.check_broker,
    machine.check_state_folder,
    machine.check_disk,
    outputs.check_port,
    machine.check_clock,
)
"""The checks, in the order of the output."""


def print_checks(config: Path | None, *, as_json: bool) -> int:
    """Print every check; return 1 if one failed."""
    failed = False
    results = []
    for check in run_checks(config):
        failed |= check.state == "fail"
        results.append(check.as_json())
        if not as_json:
            print_text(escape_line(f"{check.state:5} {check.name:14} {render(check.found, remedy=check.remedy)}"))
    if as_json:
        print_json({"ok": not failed, "checks": results}, indent=2)
    return int(failed)


def run_checks(config: Path | None) -> Iterator[Check]:
    """Run the checks; yield each as soon as it is done."""
    yield machine.check_python()
    try:
        settings = read_settings(config)
    except TocsinError as exc:
        yield Check("configuration", "fail", str(exc), "the checks below use the defaults")
        settings = Settings()
    else:
        yield Check("configuration", "ok", f"valid, {len(settings.sources)} sources")
    for check in CHECKS:
        try:
            yield check(settings)
        except Exception as exc:  # noqa: BLE001 - an error in one check must not stop the others
            yield Check(check.__name__.removeprefix("check_").replace("_", " "), "fail", describe_bug(exc))
