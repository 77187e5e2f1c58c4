"""Settings of the commands, each made from those of the service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from edge.settings.section import Section

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from edge.settings.tree import Settings, Source

_S = TypeVar("_S", bound=Section)


def replace_sources(settings: Settings, sources: Sequence[Source]) -> Settings:
    """Return the settings of a node with other sources."""
    return _change(settings, {"sources": tuple(sources)})


def make_demo_settings(
    settings: Settings, *, sources: Sequence[Source], folder: Path, api: Mapping[str, Any]
) -> Settings:
    """Return the settings of a node that demonstrates; `api` has what differs of the web side.

    It neither touches a real node's history nor takes its name at the broker, and its patterns switch nothing.
    """
    changes: dict[str, Any] = {"sources": tuple(sources), "api": api}
    if settings.node.id is None:
        changes["node"] = {"id": "demo"}
    if settings.storage.path is None:
        changes["storage"] = {"path": folder}
    return _change(_remove_actions(settings), changes)


def make_listen_settings(settings: Settings, *, folder: Path, model: Path, engines: Path, claps: Path) -> Settings:
    """Return the settings of a node that keeps and sends nothing.

    `folder` is its state folder; `model` and `claps` are the bundles, and `engines` the folder of compiled networks,
    of the node whose configuration this is.
    """
    changes = {
        "mqtt": {"enabled": False},
        "api": {"enabled": False},
        "storage": {"path": folder},
        "privacy": {"keep_clips": False},
        "model": {"bundle": str(model), "cache_dir": settings.model.cache_dir or engines},
        "claps": {"bundle": str(claps)},
    }
    return _change(_remove_actions(settings), changes)


def make_replay_settings(settings: Settings, *, away: bool) -> Settings:
    """Return the settings of a recording's pipeline.

    A recording is no source of the configuration: it takes part in everything that is asked for.
    """
    return _change(settings, {"claps": {"sources": ()}, "away": {"enabled": away, "sources": ()}})


def make_claps_settings(settings: Settings, source: Source) -> Settings:
    """Return the settings of a pipeline that listens to one source for claps alone."""
    claps = {"enabled": True, "sources": (source.name,)}
    return _change(settings, {"claps": claps, "away": {"enabled": False}, "sources": (source,)})


def _remove_actions(settings: Settings) -> Settings:
    """Return settings under which a pattern switches nothing."""
    patterns = {name: _change(pattern, {"actions": ()}) for name, pattern in settings.claps.patterns.items()}
    return _change(settings, {"claps": {"patterns": patterns}, "away": {"actions": ()}, "actions": {}})


def _change(section: _S, changes: Mapping[str, Any]) -> _S:
    """Return a section with other values; those of a section in it are in a mapping of their own."""
    values = {}
    for name, value in changes.items():
        old = getattr(section, name)
        values[name] = _change(old, value) if isinstance(old, Section) else value
    return section.model_copy(update=values)
