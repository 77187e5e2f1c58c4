"""`tocsin listen`: display of sources, events and patterns; no side effects."""

from __future__ import annotations

import io
import itertools
import logging
import re
import threading
from datetime import datetime, timezone
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from rich.console import Console

from edge.cli.common import set_up_service_log
from edge.cli.listen import _make_settings
from edge.cli.view import ConsoleHandler, View, format_picture
from edge.publish.payload import EventContext, Stamp, pattern_event
from edge.settings.tree import Settings
from edge.types import ModelInfo, Pattern
from tests.api.fake_node import source as fake_source

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edge.api.records import SourceStatus

AT = datetime(2026, 5, 1, 12, tzinfo=timezone.utc)
CONTEXT = EventContext("node", "mic", "", ModelInfo("city", "0.1.0", "0" * 64, "cpu"), False, True, "info")
SOUND = {
    "time": "2026-05-01T12:00:01.000Z",
    "data": {"source_name": "mic", "label": "horn", "phase": "start", "score": 0.9},
}


def make_pattern_event(name: str, *intervals_ms: int) -> dict[str, Any]:
    """Return the CloudEvent of a pattern."""
    pattern = Pattern(name, tuple(itertools.accumulate(intervals_ms, initial=0)), 0, 0.93)
    return pattern_event(pattern, CONTEXT, Stamp("p1", 1, AT), first=AT, rate_hz=1000)


def make_event(n: int, phase: str, score: float = 0.9) -> dict[str, Any]:
    """Return the displayed fields of the nth event's CloudEvent."""
    return {
        "time": f"2026-05-01T12:00:{n:02d}.000Z",
        "data": {"event_id": f"e{n}", "source_name": "mic", "label": f"horn{n}", "phase": phase, "score": score},
    }


def make_source(n: int) -> SourceStatus:
    """Return a source with a long device name that contains markup and control characters."""
    scores = {f"label-{k}": k / 30 for k in range(23)}
    device = "[red]USB " + "Microphone\n\x1b[2J " * 9
    return fake_source(f"source-{n}", device=device, scores=scores)


def attach_view(console: Console, sources: list[SourceStatus]) -> tuple[View, Callable[[dict[str, Any]], None]]:
    """Return a view of a node with these sources, and a function that sends it an event."""
    heard: list[Any] = []
    view = View(console)
    view.attach(cast("Any", SimpleNamespace(subscribe_events=heard.append, sources=lambda: sources)))
    return view, heard[0]


class Screen:
    """A terminal that interprets text and the few control sequences of the view."""

    def __init__(self, height: int) -> None:
        self.height, self.rows, self.row, self.column = height, [""], 0, 0

    def feed(self, text: str) -> None:
        for part in re.findall(r"\x1b\[\??[\d;]*[A-Za-z]|[\r\n]|[^\x1b\r\n]+", text):
            if part == "\n":
                self.row, self.column = self.row + 1, 0
                self.rows += [""] * (self.row + 1 - len(self.rows))
            elif part == "\r":
                self.column = 0
            elif part.startswith("\x1b"):
                self._control(part)
            else:
                line = self.rows[self.row].ljust(self.column)
                self.rows[self.row] = line[: self.column] + part + line[self.column + len(part) :]
                self.column += len(part)

    def _control(self, part: str) -> None:
        if part.endswith("A"):
            self.row -= int(part[2:-1] or 1)
            assert self.row >= len(self.rows) - self.height, "the cursor does not leave the top of the screen"
        elif part == "\x1b[2K":
            self.rows[self.row] = ""

    def visible(self) -> str:
        return "\n".join(self.rows[-self.height :])


def test_patterns_are_shown_as_they_come(capsys: pytest.CaptureFixture[str]) -> None:
    """A pattern shows its gaps instead of a phase."""
    _, tell = attach_view(Console(file=io.StringIO(), width=200), [])
    for event in (
        make_pattern_event("double", 320),
        make_pattern_event("triple", 310, 350),
        make_pattern_event("sound"),
        SOUND,
    ):
        tell(event)
    assert capsys.readouterr().out.splitlines() == [
        "12:00:00  mic  double    pattern 0.93  gaps 320 ms",
        "12:00:00  mic  triple    pattern 0.93  gaps 310 350 ms",
        "12:00:00  mic  sound     pattern 0.93",
        "12:00:01  mic  horn      start   0.90",
    ]


@pytest.mark.parametrize(("width", "height"), [(80, 24), (60, 14), (40, 8), (132, 50)])
@pytest.mark.parametrize("count", [0, 1, 4, 9, 60])
def test_the_picture_leaves_room_for_events(width: int, height: int, count: int) -> None:
    """With any number of sources, five lines remain for events."""
    lines = format_picture([make_source(n) for n in range(count)], [], width, height, sign="#")
    assert len(lines) <= height - 5
    shown = sum(line.startswith("source-") for line in lines)
    assert shown == count or (f"and {count - shown} more sources" in lines and len(lines) == height - 5)


@pytest.mark.parametrize(("width", "height"), [(80, 24), (60, 14)])
@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_the_newest_events_are_on_the_screen(width: int, height: int, count: int) -> None:
    """The latest events are above the sources, an ongoing event is below, and events stay after the end."""
    out = io.StringIO()
    console = Console(file=out, width=width, height=height, force_terminal=True, color_system=None)
    view, tell = attach_view(console, [make_source(n) for n in range(count)])
    for n in range(40):
        tell(make_event(n, "start"))
        tell(make_event(n, "end"))
    tell(make_event(50, "start"))
    for n in range(30):
        tell(make_event(50, "update", n / 30))
    text = wait_for(out, "mic horn50 0.97")
    screen = Screen(height)
    screen.feed(text)
    seen = screen.visible()
    assert all(f"source-{n}  online" in seen for n in range(count))
    assert [line.split()[2:4] for line in seen.partition("source-0")[0].splitlines()][-3:] == [
        ["horn39", "start"],
        ["horn39", "end"],
        ["horn50", "start"],
    ]
    assert seen.count("horn50") == 2
    view.close()
    screen.feed(out.getvalue()[len(text) :])
    kept = "\n".join(screen.rows)
    assert all(f"horn{n} " in kept for n in (*range(40), 50))
    assert "source-0" not in kept


def wait_for(out: io.StringIO, words: str) -> str:
    """Wait until the output contains the words, and return it."""
    give_up = threading.Event()
    for _ in range(200):
        give_up.wait(0.02)
        if words in (text := out.getvalue()):
            return text
    raise AssertionError(out.getvalue())


def test_a_terminal_without_unicode_gets_plain_bars() -> None:
    """Without block characters in the encoding, bars are ASCII."""
    lines = format_picture([make_source(1)], [], 80, 24, sign="#")
    assert any(line.endswith("####") for line in lines)
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    view, _ = attach_view(Console(file=out, width=80, height=24, force_terminal=True), [make_source(1)])
    drawn = [str(line) for line in view._draw([make_source(1)]).renderables]
    view.close()
    assert "".join(drawn).isascii()


@pytest.mark.parametrize(("level", "dimmed"), [(logging.INFO, True), (logging.WARNING, False)])
def test_why_a_pattern_was_suppressed_is_dimmed(level: int, dimmed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Log lines below WARNING are dimmed on a terminal."""
    monkeypatch.setattr(logging.root, "handlers", logging.root.handlers[:])
    out = io.StringIO()
    console = Console(file=out, width=200, force_terminal=True, color_system="standard")
    set_up_service_log(Settings().logging, ConsoleHandler(console))
    logging.getLogger("tocsin.reactions").log(level, "source mic: double suppressed: applause (applause 0.42)")
    assert "double suppressed: applause (applause 0.42)" in out.getvalue()
    assert ("\x1b[2m" in out.getvalue()) is dimmed


def test_nothing_is_switched(tmp_path: Path) -> None:
    """Patterns are detected, but start no actions."""
    settings = Settings.model_validate(
        {
            "storage": {"path": str(tmp_path / "real")},
            "claps": {"patterns": {"double": {"actions": ["lamp"]}, "tv": {"rhythm": [1, 0.5], "actions": ["lamp"]}}},
            "away": {"actions": ["lamp"]},
            "actions": {"lamp": {"type": "command", "command": ["true"]}},
        }
    )
    quiet = _make_settings(settings, tmp_path)
    assert quiet.actions == {}
    assert set(quiet.claps.patterns) == {"double", "triple", "tv"}
    assert [each.actions for each in quiet.claps.patterns.values()] == [()] * 3
    assert quiet.away.actions == ()
    assert Settings.model_validate(quiet.model_dump(by_alias=True)) == quiet


def test_the_installed_clap_network_is_used(tmp_path: Path) -> None:
    """The bundle comes from the configured node's state folder, not from the temporary one."""
    installed = tmp_path / "real" / "models" / "mine@1.0"
    installed.mkdir(parents=True)
    settings = Settings.model_validate({"storage": {"path": str(tmp_path / "real")}, "claps": {"bundle": "mine"}})
    assert _make_settings(settings, tmp_path / "thrown-away").claps.bundle == str(installed)
