"""What the tests of the pages do with a real browser."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

if TYPE_CHECKING:
    from collections.abc import Callable

    from selenium.webdriver.chrome.webdriver import WebDriver


def start_browser() -> WebDriver:
    """Return a headless Chromium that remembers what its console said."""
    options = webdriver.ChromeOptions()
    for flag in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--window-size=1280,1400",
    ):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    options.binary_location = str(shutil.which("chromium"))
    return webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))


def text(page: WebDriver, selector: str) -> str:
    """Return what is to be read in the first element that fits."""
    return page.find_element(By.CSS_SELECTOR, selector).text


def console_of(page: WebDriver) -> list[Any]:
    """Return the new lines of the browser's console."""
    lines: list[Any] = page.get_log("browser")  # type: ignore[no-untyped-call]
    return lines


def until(page: WebDriver, seen: Callable[[], Any]) -> None:
    """Wait until `seen` is true."""
    WebDriverWait(page, 15, poll_frequency=0.05).until(lambda _: seen())
