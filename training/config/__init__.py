"""The settings of a training run: one tree of frozen records, read from TOML and `--set key=value`."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from edge.errors import UsageError
from training.config.records import record_of
from training.config.sections import (
    TRAIN_CHOICES,
    AugmentConfig,
    ClapsConfig,
    DataConfig,
    ModelConfig,
    Stage,
    TrainConfig,
)
from training.config.toml import read_toml, toml_value

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
    """Everything a run needs to be repeated."""

    data: DataConfig = dataclasses.field(default_factory=DataConfig)
    model: ModelConfig = dataclasses.field(default_factory=ModelConfig)
    augment: AugmentConfig = dataclasses.field(default_factory=AugmentConfig)
    train: TrainConfig = dataclasses.field(default_factory=TrainConfig)
    claps: ClapsConfig = dataclasses.field(default_factory=ClapsConfig)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values: what a checkpoint carries."""
        return dataclasses.asdict(self)


def config_from_dict(values: dict[str, Any]) -> Config:
    """Build the settings from plain values; raises `ConfigError` that names the key at fault."""
    return record_of(Config, values)


def load_config(path: Path | None, overrides: Iterable[str] = ()) -> Config:
    """Read a TOML file and lay `section.key=value` overrides over it (values in TOML, bare words are strings).

    Raises `ConfigError` for a key or value that does not fit, `UsageError` for an override that is none, `OSError` when
    the file cannot be read.
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
    values[last] = toml_value(text)
