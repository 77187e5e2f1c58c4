"""The settings of a training run, read from TOML and `--set key=value`."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from edge.errors import UsageError
from training.config.records import build_record
from training.config.sections import (
    TRAIN_CHOICES,
    AugmentConfig,
    ClapsConfig,
    DataConfig,
    ModelConfig,
    Stage,
    TrainConfig,
)
from training.config.toml import parse_toml_value, read_toml

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = (
    "TRAIN_CHOICES",
    "AugmentConfig",
    "ClapsConfig",
    "Config",
    "DataConfig",
    "ModelConfig",
    "Stage",
    "TrainConfig",
    "config_from_dict",
    "load_config",
)


@dataclasses.dataclass(frozen=True, slots=True)
class Config:
    """All settings of a run: enough to repeat it."""

    data: DataConfig = dataclasses.field(default_factory=DataConfig)
    model: ModelConfig = dataclasses.field(default_factory=ModelConfig)
    augment: AugmentConfig = dataclasses.field(default_factory=AugmentConfig)
    train: TrainConfig = dataclasses.field(default_factory=TrainConfig)
    claps: ClapsConfig = dataclasses.field(default_factory=ClapsConfig)

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain values, as a checkpoint stores them."""
        return dataclasses.asdict(self)


def config_from_dict(values: dict[str, Any]) -> Config:
    """Build the settings from plain values.

    Raises `ConfigError` with the key at fault.
    """
    return build_record(Config, values)


def load_config(path: Path | None, overrides: Iterable[str] = ()) -> Config:
    """Read a TOML file and apply overrides of the form `section.key=value`.

    Values are TOML; bare words are strings. Raises `ConfigError` for a key or value that does not fit, `UsageError` for
    an invalid override, `OSError` when the file cannot be read.
    """
    values = read_toml(path) if path else {}
    for item in overrides:
        _override(values, item)
    return config_from_dict(values)


def _override(values: dict[str, Any], item: str) -> None:
    key, equals, text = item.partition("=")
    if not equals:
        msg = "expected section.key=value"
        raise UsageError(msg, where=f"--set {item}")
    *parents, last = key.strip().split(".")
    for name in parents:
        inner: Any = values.setdefault(name, {})
        if not isinstance(inner, dict):
            msg = f"{name} is not a table and has no keys"
            raise UsageError(msg, where=f"--set {item}")
        values = inner
    values[last] = parse_toml_value(text)
