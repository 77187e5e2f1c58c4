"""Common parts of all messages of a node."""

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


def test_a_context_has_location_and_severity() -> None:
    """A source's location overrides the node's; a label without a rule has the severity `info`."""
    messages = make_messages(SETTINGS)
    assert messages.make_context("yard", "gunshot").severity == "critical"
    assert messages.make_context("yard").location == "yard"
    assert messages.make_context("mic").location == "street"
    assert messages.make_context("mic").calibrated
    assert {messages.make_context("mic", label).severity for label in (None, "drill", "never heard")} == {"info"}


def test_without_mqtt_there_is_no_topic() -> None:
    """So no message waits for a broker."""
    assert make_messages(SETTINGS).find_topic("mic") == "city/n/mic/event"
    assert make_messages(Settings.model_validate({"mqtt": {"enabled": False}})).find_topic("mic") is None


def test_stamps_are_unique() -> None:
    """Two stamps of one sequence number differ."""
    messages = make_messages()
    first, second = messages.make_stamp(7), messages.make_stamp(7)
    assert first.id != second.id
    assert first.sequence == second.sequence == 7


def test_the_info_topic_names_the_model() -> None:
    """It has the labels, and those that make events."""
    info = make_messages().describe_node([])
    assert info["model"] == {"id": "tiny", "version": "1", "sha256": "0" * 64, "provider": "cpu"}
    assert info["labels"] == list(LABELS)
    assert info["alerts"] == ["siren", "gunshot"]
