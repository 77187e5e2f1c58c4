"""The class mapping of an import, a TOML file.

Each line is new name = [the corpus's own names].
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge.errors import ConfigError
from training.config.toml import read_toml
from training.data.imports.recording import make_label
from training.data.manifest import EVERYTHING_ELSE, invert_mapping

if TYPE_CHECKING:
    from pathlib import Path


def read_classes(path: Path) -> dict[str, str]:
    """Read a class mapping; return the new name of each old one.

    Old names may be spelled as in the corpus or as labels, and need not be in the corpus: a file may serve several.
    Raises `ConfigError` for another file, `OSError` when it cannot be read.
    """
    values = read_toml(path)
    return invert_mapping(
        {new: [_normalize(old) for old in _check_names(path, new, olds)] for new, olds in values.items()}
    )


def _check_names(path: Path, new: str, olds: object) -> list[str]:
    if not isinstance(olds, list) or not all(isinstance(old, str) for old in olds):
        msg = 'expected a list of names, as ["police", "ambulance"]'
        raise ConfigError(msg, where=f"{path}: {new}")
    return olds


def _normalize(name: str) -> str:
    return name if name == EVERYTHING_ELSE else make_label(name)
