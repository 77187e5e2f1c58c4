"""A real server around a double of the node."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from edge.api.app import create_app
from edge.api.server import ApiServer
from edge.settings.tree import Api
from tests.api.browser import console_of, start_browser
from tests.api.fake_node import FakeNode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from selenium.webdriver.chrome.webdriver import WebDriver

    Serve = Callable[..., AbstractContextManager[httpx.Client]]


@pytest.fixture
def node() -> FakeNode:
    """Return a node of one microphone."""
    return FakeNode()


@pytest.fixture
def serve(node: FakeNode, tmp_path: Path) -> Serve:
    """Return a context manager that serves the node with the given settings, and gives a client."""

    @contextmanager
    def serving(*, min_free_mb: int = 0, **settings: Any) -> Iterator[httpx.Client]:
        api = Api(port=0, **settings)
        server = ApiServer(create_app(node, api, upload_dir=tmp_path, min_free_mb=min_free_mb), api)
        server.start()
        try:
            with httpx.Client(base_url=server.url.replace("0.0.0.0", "127.0.0.1"), timeout=20) as client:
                yield client
        finally:
            node.gate.set()
            server.stop()

    return serving


@pytest.fixture
def client(serve: Serve) -> Iterator[httpx.Client]:
    """Return a client of the node with every setting at its default."""
    with serve() as client:
        yield client


@pytest.fixture(scope="session")
def browser() -> Iterator[WebDriver]:
    """Return a headless browser for all tests of the pages."""
    driver = start_browser()
    yield driver
    driver.quit()


@pytest.fixture
def page(browser: WebDriver) -> WebDriver:
    """Return the browser with an empty page, no cookies and an empty console."""
    browser.delete_all_cookies()
    browser.get("about:blank")
    console_of(browser)
    return browser
