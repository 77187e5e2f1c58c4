"""Settings of single commands: the changes to those of the service."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from edge.settings.profiles import (
    make_claps_settings,
    make_demo_settings,
    make_listen_settings,
    make_replay_settings,
    replace_sources,
)
from edge.settings.tree import Settings, Source

if TYPE_CHECKING:
    from collections.abc import Callable

SERVICE = Settings.model_validate(
    {
        "sources": [{"name": "door"}, {"name": "yard", "spec": "udp://:5005"}],
        "claps": {"sources": ["yard"], "patterns": {"double": {"actions": ["lamp"]}}},
        "away": {"sources": ["door"], "actions": ["lamp"]},
        "actions": {"lamp": {"type": "mqtt", "topic": "lamp/set"}},
        "privacy": {"keep_clips": True},
        "api": {"token": "sesame-open-now"},
    }
)
STREET = Source(name="street", spec="file:street.flac")
FOLDER = Path("/folder")
NO_ACTIONS = {"actions", "away.actions", "claps.patterns.double.actions"}


def make_listen(settings: Settings) -> Settings:
    return make_listen_settings(
        settings, folder=FOLDER, model=Path("/city"), engines=Path("/engines"), claps=Path("/claps")
    )


PROFILES: list[tuple[Callable[[Settings], Settings], set[str]]] = [
    (lambda settings: replace_sources(settings, [STREET]), {"sources"}),
    (
        lambda settings: make_demo_settings(settings, sources=[STREET], folder=FOLDER, api={"port": 0}),
        NO_ACTIONS | {"sources", "api.port", "node.id", "storage.path"},
    ),
    (
        make_listen,
        NO_ACTIONS
        | {"mqtt.enabled", "api.enabled", "storage.path", "privacy.keep_clips"}
        | {"model.bundle", "model.cache_dir", "claps.bundle"},
    ),
    (lambda settings: make_replay_settings(settings, away=False), {"claps.sources", "away.enabled", "away.sources"}),
    (lambda settings: make_claps_settings(settings, settings.sources[0]), {"sources", "claps.sources", "away.enabled"}),
]


def find_differences(one: Any, other: Any, key: str = "") -> set[str]:
    """Return the keys whose values differ between two configurations."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        return {
            found for name in one for found in find_differences(one[name], other[name], f"{key}.{name}".lstrip("."))
        }
    return set() if one == other else {key}


@pytest.mark.parametrize(("profile", "changed"), PROFILES, ids=["run", "demo", "listen", "replay", "claps"])
def test_a_command_changes_only_its_settings(profile: Callable[[Settings], Settings], changed: set[str]) -> None:
    """All other values, and the settings of the service, are unchanged."""
    before = SERVICE.model_dump()
    assert find_differences(profile(SERVICE).model_dump(), before) == changed
    assert SERVICE.model_dump() == before


def test_configured_values_are_kept() -> None:
    """A configured name, folder and cache are kept."""
    own = {"node": {"id": "mine"}, "storage": {"path": "/mine"}, "model": {"cache_dir": "/cache"}}
    settings = Settings.model_validate(own)
    demo = make_demo_settings(settings, sources=[STREET], folder=FOLDER, api={})
    assert (demo.node, demo.storage) == (settings.node, settings.storage)
    assert make_listen(settings).model.cache_dir == Path("/cache")
