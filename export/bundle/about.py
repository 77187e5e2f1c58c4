"""Text about a bundle, written by a person in a TOML file."""

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
    """Text about a bundle, written by a person.

    Missing parts are called unstated.
    """

    id: str
    golden: Path
    """The recording replayed at every start; the bundle contains a part of it, so its licence must allow that."""
    version: str = "1"
    training_data: str = "Unstated: ask who trained it."
    licence: str = "unstated: ask who trained it before passing it on."
    notes: str = "## What it is weak at\n\nUnstated, beyond what the figures above say."
    """Markdown for the model card: weaknesses and omissions."""


def read_about(path: Path, golden: Path) -> About:
    """Read the text about a bundle; raise `ConfigError` for another file."""
    values = read_toml(path)
    if set(values) != _KEYS:
        msg = f"expected the keys {', '.join(sorted(_KEYS))}"
        raise ConfigError(msg, where=path)
    return About(**{key: str(value).strip() for key, value in values.items()}, golden=golden)
