"""The pages, in a real browser and as files."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from selenium.webdriver.common.by import By

from tests.api.browser import console_of, text, until
from tests.api.fake_node import frame, source
from tests.api.routes import ROUTES

if TYPE_CHECKING:
    import httpx
    from selenium.webdriver.chrome.webdriver import WebDriver

    from tests.api.conftest import Serve
    from tests.api.fake_node import FakeNode

TOKEN = "correct-horse-battery"
EVIL = "<img src=x onerror=alert(1)>"


@pytest.mark.browser
def test_dashboard_shows_sources_scores_and_events_as_they_come(
    client: httpx.Client, node: FakeNode, page: WebDriver
) -> None:
    """Whoever opens the page sees how each source is and why, what is heard, what was, and what happens."""
    node.states.append(source("yard", "offline", "no such device; trying again"))
    node.record("old", "traffic", phase="end")
    page.get(str(client.base_url))
    until(page, lambda: text(page, "#link") == "Connected" and "yard" in text(page, "#sources"))
    assert "no such device" in text(page, "#sources")
    assert "traffic" in text(page, "#history")
    assert "city 0.1.0 on cpu" in text(page, "#model")
    until(page, lambda: node.on_live)
    node.play(frame("mic", score=0.87, level=-30))
    until(page, lambda: "siren" in text(page, "#scores li") and "87 %" in text(page, "#scores li"))
    assert text(page, "#level-text").startswith("-30 dB")
    node.record("e1", "gunshot")
    until(page, lambda: "gunshot · mic" in text(page, "#ongoing"))
    assert "gunshot" in text(page, "#history tr")
    node.record("e1", "gunshot", phase="end")
    until(page, lambda: text(page, "#ongoing") == "" and "1.5 s" in text(page, "#history tr"))
    assert len(page.find_elements(By.CSS_SELECTOR, "#history tr")) == 2
    assert console_of(page) == []


@pytest.mark.browser
def test_spectrogram_is_drawn(client: httpx.Client, node: FakeNode, page: WebDriver) -> None:
    """A loud band makes a bright pixel at its height, low tones at the bottom."""
    page.get(str(client.base_url))
    until(page, lambda: node.on_live)
    node.play(frame("mic", mel=[255] + [0] * 63))
    pixel = "return [...document.getElementById('mel').getContext('2d').getImageData(479, arguments[0], 1, 1).data]"
    until(page, lambda: page.execute_script(pixel, 63)[0] > 200)
    assert page.execute_script(pixel, 0)[0] < 20


@pytest.mark.browser
def test_chosen_source_is_heard_and_stays_chosen(client: httpx.Client, node: FakeNode, page: WebDriver) -> None:
    """Another source is shown when it is chosen, and again when the page is loaded again."""
    node.states.append(source("yard"))
    page.get(str(client.base_url))
    until(page, lambda: text(page, "#live-name") == "mic")
    page.find_element(By.CSS_SELECTOR, "input[value=yard]").click()
    for _ in range(2):
        until(page, lambda: text(page, "#live-name") == "yard" and play_both(node) and "77 %" in text(page, "#scores"))
        assert "11 %" not in text(page, "#scores")
        page.refresh()


def play_both(node: FakeNode) -> bool:
    """Send a frame of either source."""
    node.play(frame("mic", score=0.11))
    node.play(frame("yard", score=0.77))
    return True


@pytest.mark.browser
def test_data_never_becomes_html(client: httpx.Client, node: FakeNode, page: WebDriver) -> None:
    """A name with markup in it is shown as it is spelled."""
    node.states[:] = [source(EVIL, "offline", EVIL, device=EVIL)]
    node.record(EVIL, EVIL)
    page.get(str(client.base_url))
    until(page, lambda: EVIL in text(page, "#history") and EVIL in text(page, "#sources"))
    node.play(frame(EVIL))
    assert page.find_elements(By.CSS_SELECTOR, "img[src=x]") == []
    assert console_of(page) == []


@pytest.mark.browser
def test_lost_connection_is_shown(serve: Serve, node: FakeNode, page: WebDriver) -> None:
    """When the node is gone the page says so, and that it is trying."""
    with serve() as client:
        page.get(str(client.base_url))
        until(page, lambda: text(page, "#link") == "Connected")
    until(page, lambda: "No connection" in text(page, "#link"))
    until(page, lambda: page.find_element(By.ID, "still").is_displayed())


@pytest.mark.browser
def test_not_ready_is_shown_with_the_reason(client: httpx.Client, node: FakeNode, page: WebDriver) -> None:
    """What keeps the node from being ready stands at the top."""
    node.not_ready.append("disk low")
    page.get(str(client.base_url))
    until(page, lambda: "disk low" in text(page, "#ready"))


@pytest.mark.browser
def test_history_is_filtered_and_paged(client: httpx.Client, node: FakeNode, page: WebDriver) -> None:
    """Older events come when asked for, and one sound alone when chosen."""
    for i in range(40):
        node.record(f"e{i}", "horn" if i % 4 == 0 else "siren", phase="end")

    def rows() -> int:
        return len(page.find_elements(By.CSS_SELECTOR, "#history tr"))

    page.get(str(client.base_url))
    until(page, lambda: rows() == 30)
    page.find_element(By.ID, "older").click()
    until(page, lambda: rows() == 40)
    page.find_element(By.CSS_SELECTOR, "#filter option[value=horn]").click()
    until(page, lambda: rows() == 10)
    assert not page.find_element(By.ID, "older").is_displayed()


@pytest.mark.browser
def test_sign_in_leads_to_the_dashboard(serve: Serve, node: FakeNode, page: WebDriver) -> None:
    """A person with the token gets in through the form."""
    with serve(token=TOKEN) as client:
        page.get(str(client.base_url))
        page.find_element(By.ID, "token").send_keys(TOKEN)
        page.find_element(By.TAG_NAME, "button").click()
        until(page, lambda: page.find_elements(By.ID, "link") and text(page, "#link") == "Connected")
        page.get("about:blank")


@pytest.mark.browser
@pytest.mark.parametrize("width", [360, 1280])
def test_page_fits_its_screen_and_names_its_controls(
    client: httpx.Client, node: FakeNode, page: WebDriver, width: int
) -> None:
    """Nothing sticks out on a phone, and every control has a name for those who cannot see it."""
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    node.record("a-very-long-event-id", "siren-of-a-name-that-is-long")
    page.get(str(client.base_url))
    until(page, lambda: "siren" in text(page, "#history"))
    assert page.execute_script("return document.documentElement.scrollWidth") <= width
    controls = page.find_elements(By.CSS_SELECTOR, "a, button, input, select, [role], table, canvas")
    assert len(controls) >= 8
    assert [each.get_attribute("outerHTML") for each in controls if each.is_displayed() and not name_of(each)] == []
    page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def name_of(element: Any) -> str:
    """Return what a screen reader says; a table has its columns for it."""
    return str(element.accessible_name or element.text)


@pytest.mark.browser
def test_documentation_is_drawn_from_the_description(client: httpx.Client, page: WebDriver) -> None:
    """/docs lists every route without a word from elsewhere."""
    page.get(str(client.base_url.join("/docs")))
    until(page, lambda: "/classify" in text(page, "#routes"))
    assert {each.text for each in page.find_elements(By.CSS_SELECTOR, "summary code")} == ROUTES
    page.execute_script("for (const each of document.querySelectorAll('details')) each.open = true")
    assert "next_cursor of the page before" in text(page, "main")
    assert "`" not in text(page, "main")
    assert console_of(page) == []


@pytest.mark.parametrize("path", ["/", "/docs", "/configuration"])
def test_page_loads_nothing_from_elsewhere(client: httpx.Client, path: str) -> None:
    """Whatever a page asks for is on this node, and is there."""
    for target in re.findall(r'(?:src|href)="([^"#][^"]*)"', client.get(path).text):
        assert not re.match(r"/|[a-z]+:", target)
        assert client.get(f"/{target}".replace("/./", "/")).status_code == 200


def test_unchanged_file_is_not_sent_again(client: httpx.Client) -> None:
    """A browser that has the newest copy is told so."""
    first = client.get("/static/app.css")
    again = client.get("/static/app.css", headers={"If-None-Match": first.headers["etag"]})
    assert (first.status_code, again.status_code, again.content) == (200, 304, b"")
