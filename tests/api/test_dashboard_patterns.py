"""Clap patterns and the away mode on the dashboard, in a real browser."""

from __future__ import annotations

import itertools
import json
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from edge.api.records import AwayStatus
from edge.clock import format_rfc3339
from edge.errors import UsageError
from edge.publish.payload import EventContext, Stamp, pattern_event
from edge.types import ModelInfo, Pattern
from tests.api.browser import console_of, text, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx
    from selenium.webdriver.chrome.webdriver import WebDriver
    from selenium.webdriver.remote.webelement import WebElement

    from tests.api.conftest import Serve
    from tests.api.fake_node import FakeNode

pytestmark = pytest.mark.browser
CONTEXT = EventContext("node", "mic", "", ModelInfo("city", "0.1.0", "0" * 64, "cpu"), False, True, "info")
OFF = {"enabled": True, "state": "OFF", "armed": False, "arming_until": None, "quiet": False}
NONE = "\N{EN DASH}"
REASON = "the schedule is being read; try again"


def record(node: FakeNode, name: str, *intervals_ms: int) -> None:
    """Write a pattern to the history as a node does, then tell everybody."""
    sequence, first = node.store.latest_sequence() + 1, datetime.now(timezone.utc)
    made = pattern_event(
        Pattern(name, tuple(itertools.accumulate(intervals_ms, initial=0)), 400, 0.93),
        CONTEXT,
        Stamp(f"p{sequence}", sequence, first),
        first=first,
        rate_hz=1000,
    )
    node.store.messages.append(made)
    for callback in list(node.on_event):
        callback(made)


@pytest.fixture
def mode(node: FakeNode, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Return the node's away mode, to be changed as by somebody else; switched on, it listens in 30 s."""
    mode: dict[str, Any] = dict(OFF)

    def switch(on: bool) -> AwayStatus:
        mode.update({**OFF, "state": "ON", "arming_until": soon()} if on else OFF)
        return AwayStatus(**mode)

    monkeypatch.setattr(node, "away", lambda: AwayStatus(**mode))
    monkeypatch.setattr(node, "set_away", switch)
    return mode


def soon() -> str:
    return format_rfc3339(datetime.now(timezone.utc) + timedelta(seconds=30))


def switch_of(page: WebDriver) -> WebElement:
    return page.find_element(By.ID, "away-switch")


def rows(page: WebDriver) -> list[list[str]]:
    """Return what stands in the columns of the history behind the time."""
    found = page.find_elements(By.CSS_SELECTOR, "#history tr")
    return [[cell.text for cell in row.find_elements(By.TAG_NAME, "td")][1:6] for row in found]


def test_patterns_say_what_they_were(client: httpx.Client, node: FakeNode, page: WebDriver) -> None:
    """They have their claps and gaps, and neither a length nor a level, from the history and as they come."""
    record(node, "sound")
    record(node, "triple", 310, 350)
    page.get(str(client.base_url))
    until(page, lambda: len(rows(page)) == 2 and node.on_event)
    record(node, "lamp", 600, 300, 300)
    until(page, lambda: len(rows(page)) == 3)
    record(node, "double", 320)
    until(page, lambda: len(rows(page)) == 4)
    assert rows(page) == [
        ["two claps 320 ms apart", "mic", "93 %", NONE, NONE],
        ["lamp four claps, 600, 300, 300 ms apart", "mic", "93 %", NONE, NONE],
        ["three claps 310, 350 ms apart", "mic", "93 %", NONE, NONE],
        ["sound while away", "mic", "93 %", NONE, NONE],
    ]
    news = page.find_element(By.ID, "news").get_attribute("textContent")
    assert news == "two claps, 320 ms apart at mic"
    assert text(page, "#ongoing") == ""
    assert console_of(page) == []


def test_patterns_can_be_chosen_alone(
    client: httpx.Client, node: FakeNode, page: WebDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The configured ones are in the list before they were ever heard, and one that was heard is, configured or not."""
    patterns = {"double": {"enabled": True}, "triple": {"enabled": False}, "lamp": {"enabled": True}}
    config = node.config() | {"claps": {"enabled": True, "patterns": patterns}, "away": {"enabled": True}}
    monkeypatch.setattr(node, "config", lambda: config)
    node.record("e1", "horn", phase="end")
    record(node, "tv", 200, 400)
    record(node, "double", 320)
    page.get(str(client.base_url))
    until(page, lambda: len(rows(page)) == 3)
    options = [each.text for each in page.find_elements(By.CSS_SELECTOR, "#filter option")]
    assert {"two claps", "lamp", "sound while away", "tv"} <= set(options)
    assert "three claps" not in options
    assert len(set(options)) == len(options)
    page.find_element(By.CSS_SELECTOR, "#filter option[value=double]").click()
    until(page, lambda: [row[0] for row in rows(page)] == ["two claps 320 ms apart"])


def test_away_is_switched_with_the_keyboard(client: httpx.Client, mode: dict[str, Any], page: WebDriver) -> None:
    """The switch has a name and a role, the space bar moves it, and the seconds to go are counted down."""
    page.get(str(client.base_url))
    until(page, lambda: text(page, "#away-state") == "off")
    assert (switch_of(page).aria_role, switch_of(page).accessible_name) == ("switch", "Away mode")
    page.execute_script("document.querySelector('#sources input').focus()")
    page.switch_to.active_element.send_keys(Keys.TAB)
    page.switch_to.active_element.send_keys(Keys.SPACE)
    until(page, lambda: mode["state"] == "ON" and text(page, "#away-state") == "arming")
    assert 27 <= seconds_left(page) <= 30
    until(page, lambda: seconds_left(page) < 29)
    page.switch_to.active_element.send_keys(Keys.SPACE)
    until(page, lambda: mode["state"] == "OFF" and text(page, "#away-state") == "off")
    assert console_of(page) == []


def seconds_left(page: WebDriver) -> int:
    return int(text(page, "#away-note").removeprefix("It listens in ").removesuffix(" s."))


def test_away_follows_what_others_do(client: httpx.Client, mode: dict[str, Any], page: WebDriver) -> None:
    """What was switched elsewhere, and what the time of day brings, is shown without a touch."""
    page.get(str(client.base_url))
    until(page, lambda: text(page, "#away-state") == "off")
    mode.update(state="ON", armed=True)
    until(page, lambda: text(page, "#away-state") == "listening" and switch_of(page).is_selected())
    assert "Any sound" in text(page, "#away-note")
    mode.update(armed=False, quiet=True)
    look(page)
    until(page, lambda: text(page, "#away-state") == "quiet hours" and switch_of(page).is_selected())
    mode.update(OFF)
    look(page)
    until(page, lambda: text(page, "#away-state") == "off" and not switch_of(page).is_selected())
    mode.update(enabled=False)
    look(page)
    until(page, lambda: not page.find_element(By.ID, "away").is_displayed())


def look(page: WebDriver) -> None:
    """Have the page ask again, as one does that comes back into sight."""
    page.execute_script("document.dispatchEvent(new Event('visibilitychange'))")


def test_a_node_without_away_shows_no_switch(client: httpx.Client, node: FakeNode, page: WebDriver) -> None:
    """There is nothing to switch, so there is nothing to see."""
    node.away_enabled = False
    page.get(str(client.base_url))
    until(page, lambda: "mic" in text(page, "#sources") and text(page, "#link") == "Connected")
    assert not page.find_element(By.ID, "away").is_displayed()


@pytest.fixture
def slow_clock(page: WebDriver) -> Iterator[None]:
    """Have the browser's clock be an hour slow."""
    script = "const real = Date.now; Date.now = () => real() - 3600e3;"
    made = page.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": script})
    yield
    page.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", made)


@pytest.mark.usefixtures("slow_clock")
def test_seconds_left_are_the_nodes(client: httpx.Client, mode: dict[str, Any], page: WebDriver) -> None:
    """A browser whose clock is wrong counts right."""
    mode.update(state="ON", arming_until=soon())
    page.get(str(client.base_url))
    until(page, lambda: text(page, "#away-state") == "arming")
    assert 20 <= seconds_left(page) <= 32


def test_what_was_not_switched_is_said(
    serve: Serve, node: FakeNode, mode: dict[str, Any], page: WebDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The switch goes back, and the reason stands below it: the node's own, or that there is no connection."""

    def refuse(on: bool) -> AwayStatus:
        raise UsageError(REASON)

    with serve() as client:
        monkeypatch.setattr(node, "set_away", refuse)
        page.get(str(client.base_url))
        until(page, lambda: text(page, "#away-state") == "off")
        switch_of(page).send_keys(Keys.SPACE)
        until(page, lambda: text(page, "#away-problem") == f"Not switched: {REASON}")
        assert not switch_of(page).is_selected()
    switch_of(page).send_keys(Keys.SPACE)
    until(page, lambda: text(page, "#away-problem") == "Not switched: no connection")
    assert not switch_of(page).is_selected()


def test_an_older_answer_does_not_move_the_switch(client: httpx.Client, mode: dict[str, Any], page: WebDriver) -> None:
    """What was asked before the switch was moved, and is answered after, is not shown."""
    page.get(str(client.base_url))
    until(page, lambda: text(page, "#away-state") == "off")
    page.execute_script(HELD_BACK, json.dumps(mode))
    until(page, lambda: page.execute_script("return window.held !== undefined"))
    switch_of(page).send_keys(Keys.SPACE)
    until(page, lambda: text(page, "#away-state") == "arming")
    page.execute_script("window.held(); return new Promise((done) => setTimeout(done))")
    assert (text(page, "#away-state"), switch_of(page).is_selected()) == ("arming", True)


HELD_BACK = """
const real = window.fetch, old = new Response(arguments[0], { headers: { "Content-Type": "application/json" } });
window.fetch = (path, options) => {
  if (path !== "away" || options.method !== "GET" || window.held) return real(path, options);
  return new Promise((done) => { window.held = () => done(old); });
};
"""
"""Has the next look at the away mode wait, and answer what was."""
