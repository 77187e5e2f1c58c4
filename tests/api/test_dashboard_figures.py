"""What the dashboard says in figures and words, in a real browser, on a phone too."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import pytest
from selenium.webdriver.common.by import By

from edge.api.answers import AwayLevels
from edge.api.records import AwayStatus
from tests.api.browser import console_of, text, until
from tests.api.fake_node import LABELS, frame, message, source

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import httpx
    from selenium.webdriver.chrome.webdriver import WebDriver

    from tests.api.conftest import Serve
    from tests.api.fake_node import FakeNode

pytestmark = pytest.mark.browser


def record(node: FakeNode, event_id: str, label: str, second: int, **data: Any) -> None:
    """Write the end of an event that began in a second of the day, then tell everybody."""
    made = message(node.store.latest_sequence() + 1, event_id, label, "end")
    made["data"].update(onset_time=f"2026-05-01T12:00:{second:02d}.000Z", **data)
    node.store.messages.append(made)
    for callback in list(node.on_event):
        callback(made)


def column(page: WebDriver, number: int) -> list[str]:
    """Return what stands in a column of the history."""
    return [each.text for each in page.find_elements(By.CSS_SELECTOR, f"#history td:nth-child({number})")]


@pytest.fixture
def screen(page: WebDriver) -> Iterator[Any]:
    """Return how to set the width of the page."""

    def set_width(width: int) -> None:
        metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": True}
        page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    yield set_width
    page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.mark.parametrize("width", [320, 390, 600, 1280])
def test_recording_can_be_played_on_any_screen(
    client: httpx.Client, node: FakeNode, page: WebDriver, screen: Any, width: int, tmp_path: Path
) -> None:
    """Every kept recording has a button within the screen, and its player fits as well."""
    screen(width)
    node.store.clips = {f"e{i}": tmp_path / "clip.flac" for i in range(3)}
    (tmp_path / "clip.flac").write_bytes(b"fLaC")
    for i in range(4):
        record(node, f"e{i}", "siren-of-a-name-that-is-long", i, clip=f"e{i}" if i < 3 else None)
    page.get(str(client.base_url))
    until(page, lambda: len(column(page, 1)) == 4)
    buttons = page.find_elements(By.CSS_SELECTOR, "#history button")
    assert [each.is_displayed() for each in buttons] == [True] * 3
    buttons[1].click()
    shown = [*page.find_elements(By.CSS_SELECTOR, "#history button, audio"), page.find_element(By.ID, "events")]
    assert len(shown) == 4
    assert [each.rect for each in shown if each.rect["x"] < 0 or each.rect["x"] + each.rect["width"] > width] == []
    assert page.execute_script("return document.documentElement.scrollWidth") <= width
    audio = page.find_element(By.TAG_NAME, "audio")
    assert str(audio.get_property("src")).endswith("/events/e1/clip")


def test_rows_are_in_the_order_of_time(client: httpx.Client, node: FakeNode, page: WebDriver) -> None:
    """A sound that is told of late stands where it belongs; of two that began together the later message is first."""
    record(node, "e1", "siren", 10)
    page.get(str(client.base_url))
    until(page, lambda: len(column(page, 1)) == 1 and node.on_event)
    for i, (label, second) in enumerate([("horn", 30), ("traffic", 5), ("gunshot", 20), ("clap", 20)]):
        record(node, f"n{i}", label, second)
    until(page, lambda: len(column(page, 1)) == 5)
    order = ["horn", "clap", "gunshot", "siren", "traffic"]
    assert [each.splitlines()[0] for each in column(page, 2)] == order
    page.refresh()
    until(page, lambda: [each.splitlines()[0] for each in column(page, 2)] == order)


def test_figures_have_their_unit(client: httpx.Client, node: FakeNode, page: WebDriver) -> None:
    """A level says what it is relative to, and no sound lasts no time."""
    for i, (calibrated, duration_s) in enumerate([(False, 0.0), (True, 0.04), (True, 0.06), (False, 12.34)]):
        record(node, f"e{i}", "gunshot", i, lafmax=-25.4, calibrated=calibrated, duration_s=duration_s)
    page.get(str(client.base_url))
    until(page, lambda: len(column(page, 1)) == 4)
    assert column(page, 5) == ["-25 dBFS(A)", "-25 dB(A)", "-25 dB(A)", "-25 dBFS(A)"]
    assert column(page, 6) == ["12.3 s", "0.1 s", "< 0.1 s", "< 0.1 s"]
    page.find_element(By.CSS_SELECTOR, ".help summary").click()
    assert "full scale" in text(page, ".help dl")


def test_nothing_of_one_sound_is_not_nothing_at_all(client: httpx.Client, node: FakeNode, page: WebDriver) -> None:
    """An empty list says whether the filter or the history is empty."""
    page.get(str(client.base_url))
    until(page, lambda: text(page, "#empty") == "Nothing in the history yet.")
    record(node, "e1", "siren", 1)
    until(page, lambda: not page.find_element(By.ID, "empty").is_displayed())
    page.find_element(By.CSS_SELECTOR, "#filter option[value=horn]").click()
    until(page, lambda: text(page, "#empty") == "No horn in the history.")


def test_scores_are_in_the_order_that_they_are_said_to_be(
    client: httpx.Client, node: FakeNode, page: WebDriver
) -> None:
    """Whatever the frames bring, the highest figure stands first."""
    page.get(str(client.base_url))
    until(page, lambda: node.on_live)
    script = "return [...document.querySelectorAll('#scores li')].map((each) => parseInt(each.lastChild.textContent))"
    for i in range(40):
        node.play(frame("mic", scores={label: (37 * (i + k) ** 2 % 101) / 100 for k, label in enumerate(LABELS)}))
        figures = page.execute_script(script)
        assert figures == sorted(figures, reverse=True)
    assert len(figures) == len(LABELS)


def test_without_a_connection_nothing_old_passes_as_new(serve: Serve, node: FakeNode, page: WebDriver) -> None:
    """Neither a source nor the away mode is shown as it was, nor a sound as going on."""
    node.states.append(source("yard"))
    node.record("e1", "siren")
    with serve() as client:
        page.get(str(client.base_url))
        until(page, lambda: text(page, "#sources .badge") == "online" and "siren" in text(page, "#ongoing"))
    until(page, lambda: "No connection" in text(page, "#link") and text(page, "#sources .badge") == "unknown")
    assert {each.text for each in page.find_elements(By.CSS_SELECTOR, "#sources .badge, #away-state")} == {"unknown"}
    assert text(page, "#ongoing") == ""
    assert "without a connection" in text(page, "#calm")


def test_broker_that_is_away_is_said(client: httpx.Client, node: FakeNode, page: WebDriver) -> None:
    """The page tells where it should be and what waits, and no longer once it is back."""
    node.broker = replace(node.broker, connected=False, waiting=12)
    assert client.get("/mqtt").json() == asdict(node.broker)
    page.get(str(client.base_url))
    until(page, lambda: text(page, "#broker") == "No MQTT broker at 127.0.0.1:1883, 12 messages wait")
    node.broker = replace(node.broker, connected=True, waiting=0)
    until(page, lambda: not page.find_element(By.ID, "broker").is_displayed())
    node.broker = replace(node.broker, enabled=False, connected=False)
    page.refresh()
    until(page, lambda: text(page, "#link") == "Connected" and "mic" in text(page, "#sources"))
    assert not page.find_element(By.ID, "broker").is_displayed()


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ({"armed": True}, "than it would in a calm place."),
        ({"arming_until": "2030-05-01T12:00:00Z"}, "still arming."),
        ({"quiet": True}, "quiet hours."),
    ],
)
def test_away_mode_shows_what_it_takes_for_background(
    client: httpx.Client, node: FakeNode, page: WebDriver, monkeypatch: pytest.MonkeyPatch, mode: Any, words: str
) -> None:
    """Background and threshold are lines on the level, with words, and why nothing is reported if it is not."""
    away = {"enabled": True, "state": "ON", "armed": False, "arming_until": None, "quiet": False, **mode}
    monkeypatch.setattr(node, "away", lambda: AwayStatus(**away))
    page.get(str(client.base_url))
    until(page, lambda: node.on_live and text(page, "#away-state") != "")
    node.play(frame("mic"))
    until(page, lambda: text(page, "#level-text") != NONE)
    assert not page.find_element(By.ID, "level-note").is_displayed()
    for _ in range(9):
        node.play(frame("mic", away=AwayLevels(background=-60.0, threshold=-45.0, restless=True)))
    note = "Away mode: background -60 dBFS(A), a sound counts from -45 dBFS(A). It is restless here"
    until(page, lambda: text(page, "#level-note").startswith(note) and text(page, "#level-note").endswith(words))
    level, *marks = (page.find_element(By.ID, each).rect for each in ("level", "background", "threshold"))
    places = [(mark["x"] + 1 - level["x"]) / level["width"] for mark in marks]
    assert places == pytest.approx([1 / 3, 1 / 2], abs=0.01)
    away.update(state="OFF", armed=False)
    until(page, lambda: text(page, "#away-state") == "off")
    node.play(frame("mic", away=AwayLevels(background=-60.0, threshold=-45.0, restless=True)))
    until(page, lambda: not page.find_element(By.ID, "threshold").is_displayed())


NONE = "\N{EN DASH}"


def test_configuration_is_readable(
    client: httpx.Client, node: FakeNode, page: WebDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page of the footer has a table for each section and source, and nothing of it becomes HTML."""
    config = {
        "node": {"id": "street-12", "location": ""},
        "sources": [{"name": "mic", "spec": "mic"}, {"name": "yard", "spec": "<img src=x>"}],
        "detection": {"classes": {"siren": {"on": 0.7}}, "off": None},
        "actions": {},
    }
    monkeypatch.setattr(node, "config", lambda: config)
    page.get(str(client.base_url))
    page.find_element(By.LINK_TEXT, "Configuration").click()
    until(page, lambda: len(page.find_elements(By.TAG_NAME, "section")) == 5)
    shown = [each.text.replace("\u200b", "") for each in page.find_elements(By.TAG_NAME, "section")]
    assert shown == [
        f"node\nid street-12\nlocation {NONE}",
        "sources: mic\nname mic\nspec mic",
        "sources: yard\nname yard\nspec <img src=x>",
        f"detection\nclasses.siren.on 0.7\noff {NONE}",
        "actions\nNothing is set.",
    ]
    assert console_of(page) == []
