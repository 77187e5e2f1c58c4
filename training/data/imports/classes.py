"""The class mapping of an import: a TOML file of new name = [the corpus's own names]."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge.errors import ConfigError
from training.config.toml import read_toml
from training.data.imports.recording import label_of
from training.data.manifest import EVERYTHING_ELSE, renaming

if TYPE_CHECKING:
    from pathlib import Path


def read_classes(path: Path) -> dict[str, str]:
    """Read a class mapping; return the new name of each old one.

    Old names may be spelled as in the corpus or as labels, and need not be in the corpus: a file may serve several.
    Raises `ConfigError` for another file, `OSError` when it cannot be read.
    """
    values = read_toml(path)
    return renaming({new: [_old(old) for old in _olds(path, new, olds)] for new, olds in values.items()})


def _olds(path: Path, new: str, olds: object) -> list[str]:
    if not isinstance(olds, list) or not all(isinstance(old, str) for old in olds):
        msg = 'expected a list of names, as ["police", "ambulance"]'
        raise ConfigError(msg, where=f"{path}: {new}")
    return olds


def _old(name: str) -> str:
    return name if name == EVERYTHING_ELSE else label_of(name)
