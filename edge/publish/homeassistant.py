"""Discovery by Home Assistant: each source a device, each alert a sensor that is on while it sounds. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edge.publish import topics

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
    """Return the retained topics and payloads that announce a node's sources (one device message per source)."""
    return [_device(settings, node, source, labels, version) for source in sources]


def _device(
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
    payload = {
        "device": {
            "identifiers": [device],
            "name": f"Tocsin {node} {source}",
            "manufacturer": "Tocsin",
            "sw_version": version,
        },
        "origin": {"name": "tocsin", "sw_version": version},
        "availability": [
            {
                "topic": topics.status(base, node),
                "value_template": "{{ 'online' if value == 'online' else 'offline' }}",
            },
            {
                "topic": topics.source_status(base, node, source),
                "value_template": "{{ 'offline' if value in ('offline', 'disabled') else 'online' }}",
            },
        ],
        "availability_mode": "all",
        "components": components,
    }
    return f"{settings.homeassistant.prefix}/device/{device}/config", payload
