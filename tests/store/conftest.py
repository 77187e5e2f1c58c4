"""Fixtures: a store in a temporary folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from edge.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    OpenStore = Callable[..., Store]


@pytest.fixture
def open_store(tmp_path: Path) -> Iterator[OpenStore]:
    """Return a function that opens the store of this test; open stores are closed at the end."""
    opened: list[Store] = []

    def open_(**changes: Any) -> Store:
        options = {"retention_days": 90.0, "max_events": 1000, "outbox_max": 1000, "clips_max_mb": 10, **changes}
        opened.append(Store(tmp_path / "state", **options))
        return opened[-1]

    yield open_
    for store in opened:
        store.close()


@pytest.fixture
def store(open_store: OpenStore) -> Store:
    """Return an open store."""
    return open_store()
