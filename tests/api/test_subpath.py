"""The pages below a path of another server, as a reverse proxy shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from selenium.webdriver.common.by import By

from tests.api.browser import text, until
from tests.api.fake_node import frame
from tests.api.proxy import PREFIX, address_of, proxied

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import httpx
    from selenium.webdriver.chrome.webdriver import WebDriver

    from tests.api.conftest import Serve
    from tests.api.fake_node import FakeNode

TOKEN = "correct-horse-battery"


@pytest.fixture
def address(client: httpx.Client) -> Iterator[str]:
    """Return where the node is seen from outside."""
    with proxied(*address_of(client)) as address:
        yield address


@pytest.mark.browser
def test_dashboard_works(address: str, node: FakeNode, page: WebDriver, tmp_path: Path) -> None:
    """Sources, both streams, the history, a recording and the switch of the away mode are all found."""
    clip = tmp_path / "e1.flac"
    clip.write_bytes(b"fLaC")
    node.store.clips["e1"] = clip
    node.record("e1", "horn", phase="end")["data"]["clip"] = "e1"
    page.get(address)
    until(page, lambda: text(page, "#link") == "Connected" and "mic" in text(page, "#sources") and node.on_live)

    def is_played() -> bool:
        node.play(frame("mic", score=0.87))
        return "87 %" in text(page, "#scores")

    until(page, is_played)
    page.find_element(By.CSS_SELECTOR, "#history button").click()
    source = page.find_element(By.TAG_NAME, "audio").get_property("src")
    assert source == f"{address}events/e1/clip"
    page.find_element(By.ID, "away-switch").click()
    until(page, lambda: node.away_on)


@pytest.mark.browser
@pytest.mark.parametrize(("path", "seen"), [("docs", "/classify"), ("configuration", "node")])
def test_other_pages_work(address: str, page: WebDriver, path: str, seen: str) -> None:
    """Each finds its parts and leads back to the dashboard."""
    page.get(address + path)
    until(page, lambda: seen in text(page, "main section"))
    page.find_element(By.LINK_TEXT, "Dashboard").click()
    until(page, lambda: page.current_url.startswith(address) and text(page, "#link") == "Connected")


@pytest.mark.browser
def test_signing_in_and_out_works(serve: Serve, page: WebDriver) -> None:
    """The form leads to the dashboard and back, and the cookie is of this path alone."""
    with serve(token=TOKEN) as client, proxied(*address_of(client)) as address:
        page.get(address)
        page.find_element(By.ID, "token").send_keys("not this one")
        page.find_element(By.TAG_NAME, "button").click()
        until(page, lambda: "not this node's token" in text(page, "[role=alert]"))
        page.find_element(By.ID, "token").send_keys(TOKEN)
        page.find_element(By.TAG_NAME, "button").click()
        until(page, lambda: page.find_elements(By.ID, "link") and text(page, "#link") == "Connected")
        assert [(each["path"], each["httpOnly"]) for each in page.get_cookies()] == [(PREFIX, True)]
        page.find_element(By.CSS_SELECTOR, "#sign-out button").click()
        until(page, lambda: page.find_elements(By.ID, "token"))
        assert page.get_cookies() == []
        assert page.current_url == address


@pytest.mark.browser
def test_nobody_is_offered_to_sign_out_who_did_not_sign_in(client: httpx.Client, page: WebDriver) -> None:
    """A node without a token has no button for it."""
    page.get(str(client.base_url))
    until(page, lambda: text(page, "#link") == "Connected")
    assert not page.find_element(By.ID, "sign-out").is_displayed()
