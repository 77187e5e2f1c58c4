"""Fixtures of several rooms, and the markers of tests that need more than Python."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

import edge  # noqa: F401 - silences ONNX Runtime, which some helpers import before anything of `edge`
from tests.support.broker import Broker
from tests.support.listener import Listener
from tests.support.needs import NEEDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_HERE = Path(__file__).parent
_OF_TORCH = (_HERE / "training", _HERE / "export")

collect_ignore = [] if NEEDS["torch"].is_met else [folder.name for folder in _OF_TORCH]


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    """Mark what loads PyTorch, and skip what this machine cannot run."""
    for item in items:
        if any(folder in item.path.parents for folder in _OF_TORCH):
            item.add_marker("torch")
        for name in {marker.name for marker in item.iter_markers()} & NEEDS.keys():
            if not NEEDS[name].is_met:
                item.add_marker(pytest.mark.skip(reason=f"needs {NEEDS[name].text}"))


@pytest.fixture(autouse=True)
def _restore_loggers() -> Iterator[None]:
    """Undo the log setup of a command, which is for a whole process."""
    loggers = [logging.getLogger(), logging.getLogger("tocsin")]
    before = [(logger, logger.level, logger.handlers[:]) for logger in loggers]
    yield
    for logger, level, handlers in before:
        logger.setLevel(level)
        logger.handlers[:] = handlers


settings.register_profile("tocsin", deadline=None)  # a busy machine is no fault
settings.load_profile("tocsin")


@pytest.fixture
def broker() -> Iterator[Broker]:
    """Return a running mosquitto."""
    with Broker() as running:
        yield running


@pytest.fixture
def listener(broker: Broker) -> Iterator[Listener]:
    """Return a client that collects what the broker sends."""
    listening = Listener(broker)
    yield listening
    listening.close()
