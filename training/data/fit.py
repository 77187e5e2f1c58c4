"""The settings that name classes, fitted to the classes that the recordings have."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from edge.errors import ConfigError, suggest

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from training.config import DataConfig

QUIET = "background"
"""The class of a window in which nothing sounds, where the recordings have it and the settings do not name another."""
AMBIENCE = (QUIET, "weather", "traffic", "engine", "machine", "human", "speech", "animal")
"""Classes that other sounds are mixed into, as far as the recordings have them and the settings name no others."""


def fit_to_labels(config: DataConfig, labels: Sequence[str]) -> DataConfig:
    """Check that every class which the settings name is one of `labels`, and fill in what they leave open.

    Other sounds are mixed into all classes where the recordings have no ambience; `quiet_label` stays empty where they
    have no background: silence is then none of the classes. Raises `ConfigError` for a class that is not there.
    """
    _require("impulsive", config.impulsive, labels)
    _require("class_weights", config.class_weights, labels)
    _require("background", config.background, labels)
    _require("made", [label for label, count in config.made.items() if count], labels)
    _require("quiet_label", [config.quiet_label] if config.quiet_label else [], labels)
    ambience = tuple(label for label in AMBIENCE if label in labels) or tuple(labels)
    quiet = QUIET if QUIET in labels else ""
    return dataclasses.replace(
        config, background=config.background or ambience, quiet_label=config.quiet_label or quiet
    )


def _require(key: str, named: Collection[str], labels: Sequence[str]) -> None:
    if unknown := sorted(set(named) - set(labels)):
        msg = f"the recordings have no {', '.join(unknown)}"
        raise ConfigError(msg, where=f"config: data.{key}", remedy=suggest(unknown[0], list(labels)))
