"""Device messages for Home Assistant: id, area, and components. Pure."""

from __future__ import annotations

import hashlib
import ipaddress
import re
from typing import TYPE_CHECKING, Any

from edge.settings.tree import Mqtt

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from edge.settings.tree import Settings

_COORDINATES = re.compile(r"^\s*-?\d+(\.\d+)?\s*[,;]\s*-?\d+(\.\d+)?\s*$")
_AREA_MAX = 40  # letters of a location that names a place; a longer one is a description


def device_id(base: str, *names: str) -> str:
    """Return an id that is unique to the names.

    Names have no capital letters, so U can stand for their underscores.
    """
    root = "tocsin"
    if base != Mqtt.model_fields["base"].default:  # nodes of two sites may have the same name
        root += f"-{hashlib.sha256(base.encode()).hexdigest()[:12]}"
    return "_".join([root, *(name.replace("_", "U") for name in names)])


def config_topic(settings: Settings, device: str) -> str:
    """Return the topic of a device's discovery message."""
    return f"{settings.homeassistant.prefix}/device/{device}/config"


def former_topics(settings: Settings, node: str, sources: Iterable[str]) -> list[str]:
    """Return the discovery topics of earlier versions, whose ids were not unique."""
    ids = [f"tocsin_{node}", *(f"tocsin_{node}_{source}" for source in sources)]
    return [config_topic(settings, device) for device in ids]


def make_message(
    settings: Settings,
    device: str,
    about: dict[str, Any],
    version: str,
    available: list[dict[str, str]],
    components: dict[str, Any],
) -> tuple[str, dict[str, Any]]:
    """Return the topic and the payload of a device's discovery message."""
    payload = {
        "device": {**about, "manufacturer": "Tocsin", "sw_version": version},
        "origin": {"name": "tocsin", "sw_version": version},
        "availability": available,
        "availability_mode": "all",
        "components": components,
    }
    return config_topic(settings, device), payload


def list_parts(payload: Mapping[str, Any]) -> dict[str, str]:
    """Return the kind of each part of a device message by its name."""
    return {name: part["platform"] for name, part in payload["components"].items()}


def remove_parts(payload: Mapping[str, Any], gone: Mapping[str, str]) -> dict[str, Any]:
    """Return a device message that also removes parts, by an entry with a kind alone."""
    removed = {name: {"platform": kind} for name, kind in gone.items()}
    return {**payload, "components": {**payload["components"], **removed}}


def suggest_area(location: str) -> dict[str, str]:
    """Return the area of a location; coordinates and long descriptions have none."""
    name = location.strip()
    suggests = name and len(name) <= _AREA_MAX and not _COORDINATES.match(name)
    return {"suggested_area": name} if suggests else {}


def link_dashboard(settings: Settings, host: str) -> dict[str, str]:
    """Return the dashboard's address, if it is known and other machines may open it."""
    api, name = settings.api, settings.api.host
    try:
        address = ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        reachable = name != "localhost"
    else:
        reachable = not address.is_loopback
        name = f"[{address}]" if address.version == 6 else name  # noqa: PLR2004 - IPv6
        if address.is_unspecified:
            name = f"{host}.local" if host and "." not in host else host
    if not (api.enabled and api.port and reachable and name):
        return {}
    return {"configuration_url": f"http://{name}:{api.port}/"}
