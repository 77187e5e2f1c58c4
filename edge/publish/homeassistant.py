"""Discovery by Home Assistant: each source is a device, and so is the node where it has an away mode. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edge.publish import topics
from edge.settings_reactions import SOUND

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


def discovery(
    settings: Settings, node: str, sources: Sequence[str], labels: Sequence[str], version: str
) -> list[tuple[str, dict[str, Any]]]:
    """Return the retained topics and payloads that announce a node (one device message per source, one for away)."""
    announced = [_source(settings, node, source, labels, version) for source in sources]
    if settings.away.enabled:
        announced.append(_away(settings, node, version))
    return announced


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
    base, device = settings.mqtt.base, f"tocsin_{node}_{source}"
    components: dict[str, Any] = {}
    for label in labels:
        name = topics.slug(label)
        components[name] = {
            "platform": "binary_sensor",
            "unique_id": f"{device}_{name}",
            "name": label.capitalize(),
            "device_class": "sound",
            "icon": _ICONS.get(label, "mdi:ear-hearing"),
            "state_topic": topics.sound(base, node, source, label),
        }
    if settings.level.enabled:
        components["level"] = {
            "platform": "sensor",
            "unique_id": f"{device}_level",
            "name": "Sound level",
            "device_class": "sound_pressure",
            "state_class": "measurement",
            "unit_of_measurement": "dBA",
            "state_topic": topics.level(base, node, source),
            "value_template": "{{ value_json.laeq }}",
            "expire_after": 30,
        }
    if names := pattern_names(settings, source):
        # No label becomes a name with an underscore. The payload is what Home Assistant wants as it is.
        components["_pattern"] = {
            "platform": "event",
            "unique_id": f"{device}__pattern",
            "name": "Pattern",
            "icon": "mdi:gesture-double-tap",
            "event_types": names,
            "state_topic": topics.clap(base, node, source),
            "qos": 1,
        }
    components["_detect"] = {
        **_switch(f"{device}__detect", "Detection", "mdi:microphone"),
        "command_topic": topics.detect_set(base, node, source),
        "state_topic": topics.detect_state(base, node, source),
        # Not the source's: a switch that is gone while it is off could never be switched on again.
        "availability": [_node_available(base, node)],
    }
    available = [
        _node_available(base, node),
        {
            "topic": topics.source_status(base, node, source),
            "value_template": "{{ 'offline' if value in ('offline', 'disabled') else 'online' }}",
        },
    ]
    return _device(settings, device, f"Tocsin {node} {source}", version, available, components)


def _away(settings: Settings, node: str, version: str) -> tuple[str, dict[str, Any]]:
    base, device = settings.mqtt.base, f"tocsin_{node}"
    switch = {
        **_switch(f"{device}__away", "Away", "mdi:shield-home"),
        "command_topic": topics.away_set(base, node),
        "state_topic": topics.away_state(base, node),
    }
    return _device(settings, device, f"Tocsin {node}", version, [_node_available(base, node)], {"_away": switch})


def _switch(unique_id: str, name: str, icon: str) -> dict[str, Any]:
    # Never retained: a retained command would hold at every start, and is ignored.
    return {"platform": "switch", "unique_id": unique_id, "name": name, "icon": icon, "qos": 1, "retain": False}


def _node_available(base: str, node: str) -> dict[str, str]:
    return {
        "topic": topics.status(base, node),
        "value_template": "{{ 'online' if value == 'online' else 'offline' }}",
    }


def _device(
    settings: Settings,
    device: str,
    name: str,
    version: str,
    available: list[dict[str, str]],
    components: dict[str, Any],
) -> tuple[str, dict[str, Any]]:
    payload = {
        "device": {"identifiers": [device], "name": name, "manufacturer": "Tocsin", "sw_version": version},
        "origin": {"name": "tocsin", "sw_version": version},
        "availability": available,
        "availability_mode": "all",
        "components": components,
    }
    return f"{settings.homeassistant.prefix}/device/{device}/config", payload
