"""Discovery by Home Assistant: one device for the node and one for each source. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edge.publish import hadevice
from edge.publish.topics import Topics, label_name
from edge.settings.away import SOUND
from edge.types import SourceState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge.settings.tree import Settings

_ICONS = {
    "siren": "mdi:alarm-light",
    "gunshot": "mdi:pistol",
    "traffic": "mdi:car",
    "horn": "mdi:bullhorn",
    "clap": "mdi:hand-clap",
}
_DIAGNOSTIC = {"entity_category": "diagnostic"}

# Home Assistant ignores an empty message. A message that waited for the broker is history, not a current event, unless
# the node's clock was not synchronized when it was written.
_NOT_LATE = (
    "{% if value_json.clock_synced | default(false)"
    " and as_timestamp(now()) - as_timestamp(value_json.time) > 60 %}{% else %}{{ value }}{% endif %}"
)


def make_discovery(
    settings: Settings, topics: Topics, sources: Sequence[str], labels: Sequence[str], version: str, host: str = ""
) -> list[tuple[str, dict[str, Any]]]:
    """Return the discovery topics and payloads: one device for the node, one per source.

    `host` is this machine's name, for a link to the dashboard if other machines may open it.
    """
    node_device = _announce_node(settings, topics, version, host)
    return [node_device, *(_announce_source(settings, topics, source, labels, version) for source in sources)]


def birth_topic(settings: Settings) -> str:
    """Return the topic on which Home Assistant publishes `online` after its start."""
    return f"{settings.homeassistant.prefix}/status"


def list_pattern_names(settings: Settings, source: str) -> list[str]:
    """Return every `event_type` of a source's clap topic."""
    claps, away = settings.claps, settings.away
    names: list[str] = []
    if claps.enabled and source in (claps.sources or (source,)):
        names += [name for name, pattern in claps.patterns.items() if pattern.enabled]
    if away.enabled and source in (away.sources or (source,)):
        names.append(SOUND)
    return names


def _announce_source(
    settings: Settings, topics: Topics, source: str, labels: Sequence[str], version: str
) -> tuple[str, dict[str, Any]]:
    device = hadevice.device_id(topics.base, topics.node, source)
    available = [
        _make_availability(topics),
        {
            "topic": topics.source_status(source),
            "value_template": "{{ 'offline' if value in ('offline', 'disabled') else 'online' }}",
        },
    ]
    location = next((each.location for each in settings.sources if each.name == source), "")
    about = {
        "identifiers": [device],
        "name": f"Tocsin {topics.node} {source}",
        "model": "Sound source",
        "via_device": hadevice.device_id(topics.base, topics.node),
        **hadevice.suggest_area(location or settings.node.location),
    }
    components = {
        **_make_sounds(settings, topics, source, labels, device),
        **_make_patterns(settings, topics, source, device),
        **_make_service(topics, source, device),
    }
    return hadevice.make_message(settings, device, about, version, available, components)


def _make_sounds(settings: Settings, topics: Topics, source: str, labels: Sequence[str], device: str) -> dict[str, Any]:
    """Return the components of a source's labels and level."""
    components: dict[str, Any] = {}
    for label in labels:
        name = label_name(label)
        components[name] = {
            "platform": "binary_sensor",
            "unique_id": f"{device}_{name}",
            "name": label.capitalize(),
            "device_class": "sound",
            "icon": _ICONS.get(label, "mdi:ear-hearing"),
            "state_topic": topics.sound(source, label),
        }
    if settings.level.enabled:
        name = "_level" if "level" in components else "level"
        components[name] = _make_level(settings, f"{device}_{name}", topics.level(source))
    return components


def _make_patterns(settings: Settings, topics: Topics, source: str, device: str) -> dict[str, Any]:
    """Return the event entity of a source's patterns, or nothing without patterns."""
    names = list_pattern_names(settings, source)
    if not names:
        return {}
    # The names of labels have no underscores. The payload needs no template but for late messages.
    pattern = {
        "platform": "event",
        "unique_id": f"{device}__pattern",
        "name": "Pattern",
        "icon": "mdi:gesture-double-tap",
        "event_types": names,
        "state_topic": topics.clap(source),
        "value_template": _NOT_LATE,
        "qos": 1,
    }
    return {"_pattern": pattern}


def _make_service(topics: Topics, source: str, device: str) -> dict[str, Any]:
    """Return the components of a source's switch and state, available while the node is.

    If the source were their availability, a switched-off source could not be switched on again, and the signal could
    not show `offline`.
    """
    availability = {"availability": [_make_availability(topics)]}
    detect = {
        **_make_switch(f"{device}__detect", "Detection", "mdi:microphone"),
        "command_topic": topics.detect_set(source),
        "state_topic": topics.detect_state(source),
        **availability,
    }
    signal = {
        "platform": "sensor",
        "unique_id": f"{device}__signal",
        "name": "Signal",
        "icon": "mdi:waveform",
        "device_class": "enum",
        "options": [state.value for state in SourceState],
        "state_topic": topics.source_status(source),
        **_DIAGNOSTIC,
        **availability,
    }
    return {"_detect": detect, "_signal": signal}


def _make_level(settings: Settings, unique_id: str, topic: str) -> dict[str, Any]:
    calibrated = settings.level.calibration_offset_db is not None
    return {
        "platform": "sensor",
        "unique_id": unique_id,
        "name": "Sound level" if calibrated else "Sound level (uncalibrated)",
        "device_class": "sound_pressure",
        "state_class": "measurement",
        "unit_of_measurement": "dBA" if calibrated else "dB",  # without calibration it is relative to full scale
        "state_topic": topic,
        "value_template": "{{ value_json.laeq }}",
        "expire_after": 30,
    }


def _announce_node(settings: Settings, topics: Topics, version: str, host: str) -> tuple[str, dict[str, Any]]:
    device, info = hadevice.device_id(topics.base, topics.node), topics.info
    components: dict[str, Any] = {
        "_version": {
            "platform": "sensor",
            "unique_id": f"{device}__version",
            "name": "Version",
            "icon": "mdi:tag",
            "state_topic": info,
            "value_template": "{{ value_json.version }}",
            **_DIAGNOSTIC,
        },
        "_clock": {
            "platform": "binary_sensor",
            "unique_id": f"{device}__clock",
            "name": "Clock synchronized",
            "icon": "mdi:clock-check",
            "state_topic": info,
            "value_template": "{{ 'ON' if value_json.clock_synced else 'OFF' }}",
            **_DIAGNOSTIC,
        },
    }
    if settings.away.enabled:
        components["_away"] = {
            **_make_switch(f"{device}__away", "Away", "mdi:shield-home"),
            "command_topic": topics.away_set,
            "state_topic": topics.away_state,
        }
    about = {
        "identifiers": [device],
        "name": f"Tocsin {topics.node}",
        "model": "Sensor node",
        **hadevice.suggest_area(settings.node.location),
        **hadevice.link_dashboard(settings, host),
    }
    return hadevice.make_message(settings, device, about, version, [_make_availability(topics)], components)


def _make_switch(unique_id: str, name: str, icon: str) -> dict[str, Any]:
    # Not retained: the node ignores retained commands, which would apply at every start.
    return {"platform": "switch", "unique_id": unique_id, "name": name, "icon": icon, "qos": 1, "retain": False}


def _make_availability(topics: Topics) -> dict[str, str]:
    return {
        "topic": topics.status,
        "value_template": "{{ 'online' if value == 'online' else 'offline' }}",
    }
