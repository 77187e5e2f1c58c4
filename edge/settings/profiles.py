"""Settings of single commands, derived from those of the service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from edge.settings.section import Section

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from edge.settings.tree import Settings, Source

_S = TypeVar("_S", bound=Section)


def replace_sources(settings: Settings, sources: Sequence[Source]) -> Settings:
    """Return the settings with other sources."""
    return _change(settings, {"sources": tuple(sources)})


def make_demo_settings(
    settings: Settings, *, sources: Sequence[Source], folder: Path, api: Mapping[str, Any]
) -> Settings:
    """Return the settings of the demonstration; `api` has the changes of that section.

    They differ from a real node in history folder and name at the broker, and start no actions.
    """
    changes: dict[str, Any] = {"sources": tuple(sources), "api": api}
    if settings.node.id is None:
        changes["node"] = {"id": "demo"}
    if settings.storage.path is None:
        changes["storage"] = {"path": folder}
    return _change(_remove_actions(settings), changes)


def make_listen_settings(settings: Settings, *, folder: Path, model: Path, engines: Path, claps: Path) -> Settings:
    """Return the settings of a node that stores and sends nothing.

    `folder` is its state folder. `model` and `claps` are the bundles of the configured node, `engines` its folder of
    TensorRT engines.
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
    """Return the settings of a pipeline for a recording.

    A recording is not a configured source, so the lists of sources that take part are emptied: it always does.
    """
    return _change(settings, {"claps": {"sources": ()}, "away": {"enabled": away, "sources": ()}})


def make_claps_settings(settings: Settings, source: Source) -> Settings:
    """Return the settings of a pipeline that detects only claps of one source."""
    claps = {"enabled": True, "sources": (source.name,)}
    return _change(settings, {"claps": claps, "away": {"enabled": False}, "sources": (source,)})


def _remove_actions(settings: Settings) -> Settings:
    """Return settings without actions."""
    patterns = {name: _change(pattern, {"actions": ()}) for name, pattern in settings.claps.patterns.items()}
    return _change(settings, {"claps": {"patterns": patterns}, "away": {"actions": ()}, "actions": {}})


def _change(section: _S, changes: Mapping[str, Any]) -> _S:
    """Return a section with changed values; a nested mapping changes a nested section."""
    values = {}
    for name, value in changes.items():
        old = getattr(section, name)
        values[name] = _change(old, value) if isinstance(old, Section) else value
    return section.model_copy(update=values)
