"""The publisher of a node without a broker."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from edge.publish.publisher import NullPublisher

if TYPE_CHECKING:
    from edge.publish.publisher import Publisher


def test_it_takes_everything_and_says_what_did_not_arrive() -> None:
    """An expiring message gets its result at once."""
    answers: list[str] = []
    publisher: Publisher = NullPublisher()
    publisher.start()
    publisher.set_state("a", "b")
    publisher.follow("a", lambda _payload: pytest.fail("nothing is followed"))
    publisher.publish_expiring("a", b"b", qos=1, retain=False, expire_s=1.0, on_done=answers.append)
    publisher.stop()
    assert answers == ["there is no broker to publish at; set mqtt.enabled = true"]
    assert not publisher.connected
    assert (dict(publisher.refused), publisher.unsendable) == ({}, 0)
    assert publisher.keep_only({"a": {"b": "c"}}) == {"a": {}}
