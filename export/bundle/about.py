"""What a person says about a bundle, from a TOML file."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from edge.errors import ConfigError
from training.config.toml import read_toml

if TYPE_CHECKING:
    from pathlib import Path

_KEYS = {"id", "version", "training_data", "licence", "notes"}


@dataclasses.dataclass(frozen=True, slots=True)
class About:
    """What a person says about a bundle; whatever is left out is called unstated."""

    id: str
    golden: Path
    """The recording that is replayed at every start; a part of it goes along, so its licence must allow that."""
    version: str = "1"
    training_data: str = "Unstated: ask who trained it."
    licence: str = "unstated: ask who trained it before passing it on."
    notes: str = "## What it is weak at\n\nUnstated, beyond what the figures above say."
    """Markdown that goes into the model card: weaknesses, what was left out."""


def read_about(path: Path, golden: Path) -> About:
    """Read what a person says about a bundle; raises `ConfigError` for another file."""
    values = read_toml(path)
    if set(values) != _KEYS:
        msg = f"expected the keys {', '.join(sorted(_KEYS))}"
        raise ConfigError(msg, where=path)
    return About(**{key: str(value).strip() for key, value in values.items()}, golden=golden)
