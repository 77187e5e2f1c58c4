"""What every message of a node has in common."""

from __future__ import annotations

from edge.settings.tree import Settings
from tests.support.messages import LABELS, make_messages

SETTINGS = Settings.model_validate(
    {
        "node": {"location": "street"},
        "level": {"calibration_offset_db": 94.0},
        "sources": [{"name": "mic", "spec": "mic"}, {"name": "yard", "spec": "mic:2", "location": "yard"}],
        "mqtt": {"base": "city"},
    }
)


def test_a_context_knows_place_and_severity() -> None:
    """A source's own location goes before the node's; without a rule an event is for information."""
    messages = make_messages(SETTINGS)
    assert messages.context("yard", "gunshot").severity == "critical"
    assert messages.context("yard").location == "yard"
    assert messages.context("mic").location == "street"
    assert messages.context("mic").calibrated
    assert {messages.context("mic", label).severity for label in (None, "drill", "never heard")} == {"info"}


def test_no_message_waits_for_a_broker_that_there_is_not() -> None:
    """Without MQTT there is no topic."""
    assert make_messages(SETTINGS).topic("mic") == "city/n/mic/event"
    assert make_messages(Settings.model_validate({"mqtt": {"enabled": False}})).topic("mic") is None


def test_stamps_are_unique() -> None:
    """Also those of one sequence number."""
    messages = make_messages()
    first, second = messages.stamp(7), messages.stamp(7)
    assert first.id != second.id
    assert first.sequence == second.sequence == 7


def test_the_info_topic_names_the_model() -> None:
    """With its labels and those that make events."""
    info = make_messages().info([])
    assert info["model"] == {"id": "tiny", "version": "1", "sha256": "0" * 64, "provider": "cpu"}
    assert info["labels"] == list(LABELS)
    assert info["alerts"] == ["siren", "gunshot"]
