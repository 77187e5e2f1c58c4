"""Check and defaults of the settings that name classes."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from edge.errors import ConfigError, suggest

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from training.config import DataConfig

QUIET = "background"
"""The class of a window without sound, unless the settings name another."""
AMBIENCE = (QUIET, "weather", "traffic", "engine", "machine", "human", "speech", "animal")
"""Classes that other sounds are mixed into, unless the settings name others."""


def fit_to_labels(config: DataConfig, labels: Sequence[str]) -> DataConfig:
    """Check that all classes in the settings are in `labels`, and fill in defaults.

    Other sounds are mixed into all classes if the recordings have no ambience; `quiet_label` stays empty if they have
    no background: silence then has no class. Raises `ConfigError` for a class that does not exist.
    """
    _require_labels("impulsive", config.impulsive, labels)
    _require_labels("class_weights", config.class_weights, labels)
    _require_labels("background", config.background, labels)
    _require_labels("made", [label for label, count in config.made.items() if count], labels)
    _require_labels("quiet_label", [config.quiet_label] if config.quiet_label else [], labels)
    ambience = tuple(label for label in AMBIENCE if label in labels) or tuple(labels)
    quiet = QUIET if QUIET in labels else ""
    return dataclasses.replace(
        config, background=config.background or ambience, quiet_label=config.quiet_label or quiet
    )


def _require_labels(key: str, named: Collection[str], labels: Sequence[str]) -> None:
    if unknown := sorted(set(named) - set(labels)):
        msg = f"the recordings have no {', '.join(unknown)}"
        raise ConfigError(msg, where=f"config: data.{key}", remedy=suggest(unknown[0], list(labels)))
