"""Discovery by Home Assistant: the node is a device, and so is each of its sources. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edge.publish import hadevice, topics
from edge.settings_reactions import SOUND
from edge.types import SourceState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge.settings import Settings

_ICONS = {
    "siren": "mdi:alarm-light",
    "gunshot": "mdi:pistol",
    "traffic": "mdi:car",
    "horn": "mdi:bullhorn",
    "clap": "mdi:hand-clap",
}
_DIAGNOSTIC = {"entity_category": "diagnostic"}

# Home Assistant ignores an empty message. What waited for a broker that was away is history and no event of now, unless
# the node did not know the time when it wrote it.
_NOT_LATE = (
    "{% if value_json.clock_synced | default(false)"
    " and as_timestamp(now()) - as_timestamp(value_json.time) > 60 %}{% else %}{{ value }}{% endif %}"
)


def discovery(
    settings: Settings, node: str, sources: Sequence[str], labels: Sequence[str], version: str, host: str = ""
) -> list[tuple[str, dict[str, Any]]]:
    """Return the retained topics and payloads that announce a node: one device message for it, and one per source.

    `host` is this machine's name, for a link to the dashboard where others may open it.
    """
    node_device = _node(settings, node, version, host)
    return [node_device, *(_source(settings, node, source, labels, version) for source in sources)]


def birth(settings: Settings) -> str:
    """Return the topic on which Home Assistant says `online` when it has started."""
    return f"{settings.homeassistant.prefix}/status"


def pattern_names(settings: Settings, source: str) -> list[str]:
    """Return every `event_type` that a source's clap topic can carry."""
    claps, away = settings.claps, settings.away
    names: list[str] = []
    if claps.enabled and source in (claps.sources or (source,)):
        names += [name for name, pattern in claps.patterns.items() if pattern.enabled]
    if away.enabled and source in (away.sources or (source,)):
        names.append(SOUND)
    return names


def _source(
    settings: Settings, node: str, source: str, labels: Sequence[str], version: str
) -> tuple[str, dict[str, Any]]:
    base, device = settings.mqtt.base, hadevice.device_id(settings.mqtt.base, node, source)
    components: dict[str, Any] = {}
    for label in labels:
        name = topics.label_name(label)
        components[name] = {
            "platform": "binary_sensor",
            "unique_id": f"{device}_{name}",
            "name": label.capitalize(),
            "device_class": "sound",
            "icon": _ICONS.get(label, "mdi:ear-hearing"),
            "state_topic": topics.sound(base, node, source, label),
        }
    if settings.level.enabled:
        name = "_level" if "level" in components else "level"
        components[name] = _level(settings, f"{device}_{name}", topics.level(base, node, source))
    if names := pattern_names(settings, source):
        # No label becomes a name with an underscore. The payload is what Home Assistant wants as it is.
        components["_pattern"] = {
            "platform": "event",
            "unique_id": f"{device}__pattern",
            "name": "Pattern",
            "icon": "mdi:gesture-double-tap",
            "event_types": names,
            "state_topic": topics.clap(base, node, source),
            "value_template": _NOT_LATE,
            "qos": 1,
        }
    # Not the source's: a switch that is gone while it is off could never be switched on again, and a signal that is
    # gone while it is offline could not say so.
    of_the_node = {"availability": [_node_available(base, node)]}
    components["_detect"] = {
        **_switch(f"{device}__detect", "Detection", "mdi:microphone"),
        "command_topic": topics.detect_set(base, node, source),
        "state_topic": topics.detect_state(base, node, source),
        **of_the_node,
    }
    components["_signal"] = {
        "platform": "sensor",
        "unique_id": f"{device}__signal",
        "name": "Signal",
        "icon": "mdi:waveform",
        "device_class": "enum",
        "options": [state.value for state in SourceState],
        "state_topic": topics.source_status(base, node, source),
        **_DIAGNOSTIC,
        **of_the_node,
    }
    available = [
        _node_available(base, node),
        {
            "topic": topics.source_status(base, node, source),
            "value_template": "{{ 'offline' if value in ('offline', 'disabled') else 'online' }}",
        },
    ]
    location = next((each.location for each in settings.sources if each.name == source), "")
    about = {
        "identifiers": [device],
        "name": f"Tocsin {node} {source}",
        "model": "Sound source",
        "via_device": hadevice.device_id(base, node),
        **hadevice.area(location or settings.node.location),
    }
    return hadevice.message(settings, device, about, version, available, components)


def _level(settings: Settings, unique_id: str, topic: str) -> dict[str, Any]:
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


def _node(settings: Settings, node: str, version: str, host: str) -> tuple[str, dict[str, Any]]:
    base, device = settings.mqtt.base, hadevice.device_id(settings.mqtt.base, node)
    info = topics.info(base, node)
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
            **_switch(f"{device}__away", "Away", "mdi:shield-home"),
            "command_topic": topics.away_set(base, node),
            "state_topic": topics.away_state(base, node),
        }
    about = {
        "identifiers": [device],
        "name": f"Tocsin {node}",
        "model": "Sensor node",
        **hadevice.area(settings.node.location),
        **hadevice.dashboard(settings, host),
    }
    return hadevice.message(settings, device, about, version, [_node_available(base, node)], components)


def _switch(unique_id: str, name: str, icon: str) -> dict[str, Any]:
    # Never retained: a retained command would hold at every start, and is ignored.
    return {"platform": "switch", "unique_id": unique_id, "name": name, "icon": icon, "qos": 1, "retain": False}


def _node_available(base: str, node: str) -> dict[str, str]:
    return {
        "topic": topics.status(base, node),
        "value_template": "{{ 'online' if value == 'online' else 'offline' }}",
    }
