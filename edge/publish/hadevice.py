"""What Home Assistant is told of a device as a whole: its id, where it stands, and what it consists of. Pure."""

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
_AREA_MAX = 40  # letters of a location that is a place's name rather than a description


def device_id(base: str, *names: str) -> str:
    """Return an id that no other names have: none has a capital letter, so U can stand for their underscores."""
    root = "tocsin"
    if base != Mqtt.model_fields["base"].default:  # two sites may name their nodes alike
        root += f"-{hashlib.sha256(base.encode()).hexdigest()[:12]}"
    return "_".join([root, *(name.replace("_", "U") for name in names)])


def config_topic(settings: Settings, device: str) -> str:
    """Return the topic on which a device is announced."""
    return f"{settings.homeassistant.prefix}/device/{device}/config"


def former_topics(settings: Settings, node: str, sources: Iterable[str]) -> list[str]:
    """Return where earlier versions announced this node, by ids that could be those of another."""
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
    """Return the topic and the payload that announce a device."""
    payload = {
        "device": {**about, "manufacturer": "Tocsin", "sw_version": version},
        "origin": {"name": "tocsin", "sw_version": version},
        "availability": available,
        "availability_mode": "all",
        "components": components,
    }
    return config_topic(settings, device), payload


def list_parts(payload: Mapping[str, Any]) -> dict[str, str]:
    """Return the kind of each part that a device message announces."""
    return {name: part["platform"] for name, part in payload["components"].items()}


def remove_parts(payload: Mapping[str, Any], gone: Mapping[str, str]) -> dict[str, Any]:
    """Return a device message that also removes parts: a kind alone says that a part is no more."""
    removed = {name: {"platform": kind} for name, kind in gone.items()}
    return {**payload, "components": {**payload["components"], **removed}}


def suggest_area(location: str) -> dict[str, str]:
    """Return the area that a location suggests; coordinates and whole sentences suggest none."""
    name = location.strip()
    suggests = name and len(name) <= _AREA_MAX and not _COORDINATES.match(name)
    return {"suggested_area": name} if suggests else {}


def link_dashboard(settings: Settings, host: str) -> dict[str, str]:
    """Return where the dashboard is, if others than this machine may open it and the address is known."""
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
