"""What tests of several rooms share: a broker and somebody who listens at it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

import edge  # noqa: F401 - silences ONNX Runtime, which some helpers import before anything of `edge`
from tests.support.broker import Broker
from tests.support.listener import Listener

if TYPE_CHECKING:
    from collections.abc import Iterator

settings.register_profile("tocsin", deadline=None)  # a busy machine is no fault
settings.load_profile("tocsin")


@pytest.fixture
def broker() -> Iterator[Broker]:
    with Broker() as running:
        yield running


@pytest.fixture
def listener(broker: Broker) -> Iterator[Listener]:
    listening = Listener(broker)
    yield listening
    listening.close()
