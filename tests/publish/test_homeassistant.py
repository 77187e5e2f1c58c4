"""Discovery messages for Home Assistant."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edge.publish.hadevice import device_id, former_topics, list_parts, remove_parts
from edge.publish.homeassistant import make_discovery
from edge.publish.topics import Topics
from edge.settings.tree import Settings

WHERE = Topics("tocsin", "lamp-7")
NODE, MIC = "homeassistant/device/tocsin_lamp-7/config", "homeassistant/device/tocsin_lamp-7_mic/config"


def discover(*sources: str, labels: tuple[str, ...] = ("siren",), host: str = "", **values: Any) -> dict[str, Any]:
    settings = Settings.model_validate(values)
    return dict(
        make_discovery(settings, Topics(settings.mqtt.base, "lamp-7"), sources or ("mic",), labels, "1.0", host)
    )


def test_every_label_of_every_source_is_announced() -> None:
    """State topics are those published, ids are unique, availability follows node and source."""
    devices = discover("mic", "roof", labels=("siren", "gunshot"))
    assert list(devices) == [NODE, MIC, "homeassistant/device/tocsin_lamp-7_roof/config"]
    payload = devices[MIC]
    siren = payload["components"]["siren"]
    assert siren["state_topic"] == "tocsin/lamp-7/mic/sound/siren"
    assert siren["device_class"] == "sound"
    assert payload["components"]["level"]["state_topic"] == "tocsin/lamp-7/mic/level"
    assert [entry["topic"] for entry in payload["availability"]] == ["tocsin/lamp-7/status", "tocsin/lamp-7/mic/status"]
    ids = [part["unique_id"] for device in devices.values() for part in device["components"].values()]
    assert len(ids) == len(set(ids))


def test_a_source_belongs_to_its_node() -> None:
    """The node is announced first, with its version and the state of its clock."""
    devices = discover("mic")
    node, mic = devices[NODE], devices[MIC]
    assert list(devices) == [NODE, MIC]
    assert mic["device"]["via_device"] in node["device"]["identifiers"]
    assert {node["device"]["model"], mic["device"]["model"]} == {"Sensor node", "Sound source"}
    assert node["components"]["_version"]["state_topic"] == "tocsin/lamp-7/info"
    assert "clock_synced" in node["components"]["_clock"]["value_template"]
    for part in (*node["components"].values(), mic["components"]["_signal"]):
        assert part.get("entity_category", "diagnostic") == "diagnostic"


def test_a_silent_microphone_is_seen() -> None:
    """Its state is a sensor that stays available while the source is not."""
    signal = discover("mic")[MIC]["components"]["_signal"]
    assert signal["state_topic"] == "tocsin/lamp-7/mic/status"
    assert {"online", "silent", "clipping", "offline", "disabled"} <= set(signal["options"])
    assert [entry["topic"] for entry in signal["availability"]] == ["tocsin/lamp-7/status"]


def test_there_is_an_event_entity_for_the_patterns_of_a_source() -> None:
    """It has the enabled patterns of the source, and the away mode's."""
    devices = discover(
        "mic",
        "roof",
        claps={"enabled": True, "sources": ["mic"], "patterns": {"triple": {"enabled": False}}},
        away={"enabled": True},
        sources=[{"name": "mic"}, {"name": "roof"}],
    )
    mic = devices[MIC]["components"]["_pattern"]
    assert (mic["platform"], mic["state_topic"]) == ("event", "tocsin/lamp-7/mic/clap")
    assert mic["event_types"] == ["double", "sound"]
    assert devices["homeassistant/device/tocsin_lamp-7_roof/config"]["components"]["_pattern"]["event_types"] == [
        "sound"
    ]
    plain = discover("mic", claps={"enabled": False}, away={"enabled": False})
    assert "_pattern" not in plain[MIC]["components"]


@pytest.mark.parametrize(
    ("age_s", "synced", "fires"),
    [
        (0, True, True),
        (59, True, True),
        (3600, True, False),
        (3600, False, True),
        (3600, None, True),
        (-3600, True, True),
    ],
)
def test_a_late_message_is_no_current_event(age_s: float, synced: bool | None, fires: bool) -> None:
    """A late message is emptied, which is ignored, unless the node's clock is not synchronized."""
    jinja2 = pytest.importorskip("jinja2")
    now = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
    environment = jinja2.Environment(autoescape=False)
    environment.globals |= {
        "now": lambda: now,
        "as_timestamp": lambda t: t.timestamp() if isinstance(t, datetime) else datetime.fromisoformat(t).timestamp(),
    }
    message = {"event_type": "sound", "time": (now - timedelta(seconds=age_s)).isoformat()}
    if synced is not None:
        message["clock_synced"] = synced  # type: ignore[assignment]
    template = discover("mic", away={"enabled": True})[MIC]["components"]["_pattern"]["value_template"]
    rendered = environment.from_string(template).render(value="the message", value_json=message)
    assert rendered == ("the message" if fires else "")


def test_a_source_and_the_away_mode_can_be_switched() -> None:
    """A source's switch stays when the source is switched off."""
    devices = discover("mic", away={"enabled": True})
    detect = devices[MIC]["components"]["_detect"]
    assert (detect["platform"], detect["command_topic"]) == ("switch", "tocsin/lamp-7/mic/detect/set")
    assert detect["state_topic"] == "tocsin/lamp-7/mic/detect/state"
    assert [entry["topic"] for entry in detect["availability"]] == ["tocsin/lamp-7/status"]
    away = devices[NODE]["components"]["_away"]
    assert (away["platform"], away["command_topic"]) == ("switch", "tocsin/lamp-7/away/set")
    assert away["state_topic"] == "tocsin/lamp-7/away/state"
    assert not detect["retain"] | away["retain"]
    assert "_away" not in discover("mic", away={"enabled": False})[NODE]["components"]


@pytest.mark.parametrize(
    ("offset", "unit", "name"), [(None, "dB", "Sound level (uncalibrated)"), (94.0, "dBA", "Sound level")]
)
def test_a_level_is_in_dba_only_when_it_is_calibrated(offset: float | None, unit: str, name: str) -> None:
    """Without calibration it is relative to full scale."""
    level = discover("mic", level={"calibration_offset_db": offset})[MIC]["components"]["level"]
    assert (level["unit_of_measurement"], level["name"]) == (unit, name)


SLUGS = st.text("ab_-", min_size=1, max_size=4)


@given(st.lists(st.tuples(st.sampled_from(["tocsin", "site/tocsin"]), SLUGS, SLUGS), unique=True, max_size=30))
@example(
    [
        ("tocsin", "street", "12"),
        ("tocsin", "street_12", ""),
        ("tocsin", "street_12", "a"),
        ("tocsin", "street", "12_a"),
    ]
)
def test_no_two_devices_share_an_id(names: list[tuple[str, str, str]]) -> None:
    """Ids are unique for all names of nodes and sources, below all bases."""
    ids = [device_id(base, node, *([source] if source else [])) for base, node, source in names]
    assert len(set(ids)) == len(names)
    nodes = {(base, node) for base, node, _ in names}
    assert not {device_id(*each) for each in nodes} & {device_id(*each) for each in names if each[2]}


def test_a_plain_name_keeps_its_id() -> None:
    """Ids that were unique in earlier versions are unchanged."""
    assert device_id("tocsin", "lamp-7", "mic") == "tocsin_lamp-7_mic"
    settings = Settings()
    assert former_topics(settings, "lamp-7", ["mic"]) == [
        topic for topic, _ in make_discovery(settings, WHERE, ["mic"], [], "")
    ]


def test_labels_and_own_parts_do_not_share_a_name() -> None:
    """A model may have a label called level."""
    labels = ("level", "signal", "detect", "pattern")
    device = discover("mic", labels=labels, claps={"enabled": True})[MIC]
    assert len(device["components"]) == len(labels) + 4
    topics_of = [part["state_topic"] for part in device["components"].values()]
    assert WHERE.sound("mic", "level") in topics_of


@pytest.mark.parametrize(
    ("location", "area"),
    [
        ("Kitchen", "Kitchen"),
        ("52.1,4.3", None),
        (" 60.17, 24.94 ", None),
        ("", None),
        ("on the " + "long " * 20, None),
    ],
)
def test_a_location_that_is_a_name_suggests_an_area(location: str, area: str | None) -> None:
    """Coordinates do not."""
    device = discover("mic", node={"location": location})
    assert [each["device"].get("suggested_area") for each in device.values()] == [area, area]
    own = discover("mic", node={"location": "House"}, sources=[{"name": "mic", "location": location}])
    assert own[MIC]["device"].get("suggested_area") == (area or (None if location.strip() else "House"))


@pytest.mark.parametrize(
    ("api", "url"),
    [
        ({"host": "127.0.0.1"}, None), ({"host": "::1"}, None), ({"host": "localhost"}, None),
        ({"host": "0.0.0.0", "enabled": False}, None),
        ({"host": "0.0.0.0", "port": 0}, None), ({"host": "192.0.2.7"}, "http://192.0.2.7:8080/"),
        ({"host": "0.0.0.0"}, "http://pi.local:8080/"), ({"host": "::", "port": 81}, "http://pi.local:81/"),
        ({"host": "2001:db8::1"}, "http://[2001:db8::1]:8080/"), ({"host": "pi.example"}, "http://pi.example:8080/"),
    ],
)  # fmt: skip
def test_the_dashboard_is_linked_where_others_can_open_it(api: dict[str, Any], url: str | None) -> None:
    """Only there."""
    assert discover("mic", host="pi", api=api)[NODE]["device"].get("configuration_url") == url


def test_a_removed_part_of_a_device_is_announced_as_removed() -> None:
    """A part that is only left out would stay for ever."""
    before, after = discover(labels=("siren", "horn"))[MIC], discover(labels=("siren",))[MIC]
    gone = dict(itertools.filterfalse(lambda part: part[0] in list_parts(after), list_parts(before).items()))
    assert gone == {"horn": "binary_sensor"}
    sent = remove_parts(after, gone)
    assert sent["components"]["horn"] == {"platform": "binary_sensor"}
    assert {**sent["components"], "horn": None} == {**after["components"], "horn": None}
