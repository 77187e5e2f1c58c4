"""What `tocsin listen` shows of patterns, and what it leaves undone."""

from __future__ import annotations

import io
import itertools
import logging
from datetime import datetime, timezone
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from edge.cli.common import log_as
from edge.cli.listen import View, _ConsoleHandler, _quiet
from edge.publish.payload import EventContext, ModelInfo, Stamp, pattern_event
from edge.settings import Settings
from edge.types import Pattern

if TYPE_CHECKING:
    from pathlib import Path

AT = datetime(2026, 5, 1, 12, tzinfo=timezone.utc)
CONTEXT = EventContext("node", "mic", "", ModelInfo("city", "0.1.0", "0" * 64, "cpu"), False, True, "info")
SOUND = {
    "time": "2026-05-01T12:00:01.000Z",
    "data": {"source_name": "mic", "label": "horn", "phase": "start", "score": 0.9},
}


def message(name: str, *intervals_ms: int) -> dict[str, Any]:
    """Return a pattern's CloudEvent as a node writes it."""
    pattern = Pattern(name, tuple(itertools.accumulate(intervals_ms, initial=0)), 0, 0.93)
    return pattern_event(pattern, CONTEXT, Stamp("p1", 1, AT), first=AT, rate_hz=1000)


def test_patterns_are_shown_as_they_come() -> None:
    """A pattern has its gaps instead of a phase, in the columns of the sounds."""
    heard: list[Any] = []
    out = io.StringIO()
    View(Console(file=out, width=200)).attach(SimpleNamespace(subscribe_events=heard.append))
    for event in (message("double", 320), message("triple", 310, 350), message("sound"), SOUND):
        heard[0](event)
    assert out.getvalue().splitlines() == [
        "12:00:00  mic  double    pattern 0.93  gaps 320 ms",
        "12:00:00  mic  triple    pattern 0.93  gaps 310 350 ms",
        "12:00:00  mic  sound     pattern 0.93",
        "12:00:01  mic  horn      start   0.90",
    ]


@pytest.mark.parametrize(("level", "dimmed"), [(logging.INFO, True), (logging.WARNING, False)])
def test_why_a_pattern_was_suppressed_is_dimmed(level: int, dimmed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal the log's information stands back; trouble does not."""
    monkeypatch.setattr(logging.root, "handlers", logging.root.handlers[:])
    out = io.StringIO()
    console = Console(file=out, width=200, force_terminal=True, color_system="standard")
    log_as(Settings().logging, _ConsoleHandler(console))
    logging.getLogger("tocsin.reactions").log(level, "source mic: double suppressed: applause (applause 0.42)")
    assert "double suppressed: applause (applause 0.42)" in out.getvalue()
    assert ("\x1b[2m" in out.getvalue()) is dimmed


def test_nothing_is_switched(tmp_path: Path) -> None:
    """The patterns of the configuration are heard, and their actions are left undone."""
    settings = Settings.model_validate(
        {
            "storage": {"path": str(tmp_path / "real")},
            "claps": {"patterns": {"double": {"actions": ["lamp"]}, "tv": {"rhythm": [1, 0.5], "actions": ["lamp"]}}},
            "away": {"actions": ["lamp"]},
            "actions": {"lamp": {"type": "command", "command": ["true"]}},
        }
    )
    quiet = _quiet(settings, tmp_path)
    assert quiet.actions == {}
    assert set(quiet.claps.patterns) == {"double", "triple", "tv"}
    assert [each.actions for each in (*quiet.claps.patterns.values(), quiet.away)] == [()] * 4
    assert Settings.model_validate(quiet.model_dump(by_alias=True)) == quiet


def test_the_installed_clap_network_is_used(tmp_path: Path) -> None:
    """It lies with the real node's state, not in the folder that is thrown away."""
    installed = tmp_path / "real" / "models" / "mine@1.0"
    installed.mkdir(parents=True)
    settings = Settings.model_validate({"storage": {"path": str(tmp_path / "real")}, "claps": {"bundle": "mine"}})
    assert _quiet(settings, tmp_path / "thrown-away").claps.bundle == str(installed)
