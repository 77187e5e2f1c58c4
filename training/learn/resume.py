"""The state of a run for resuming it: plain values and tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edge.errors import DataError
from training.checkpoint import parse_config, read_values, write_values

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from training.config import Config

RESUME = "resume.pt"
_FORMAT = 1
_MAY_DIFFER = {"train.device"}


def save_resume(path: Path, config: Config, values: dict[str, Any]) -> None:
    """Write the state of a run.

    The file is replaced as a whole, never left in part.
    """
    write_values(path, {"format": _FORMAT, "config": config.to_dict(), **values})


def load_resume(path: Path, config: Config) -> dict[str, Any]:
    """Read the state of a run with the same settings.

    The device may differ. Raises `DataError` for another file or other settings, which are named, `OSError` when it
    cannot be read.
    """
    values = read_values(path, _FORMAT, "the state of a run")
    if changed := [
        f"{name} was {before!r} and is {now!r}"
        for (name, before), (_, now) in zip(_flatten(parse_config(path, values)), _flatten(config), strict=True)
        if before != now and name not in _MAY_DIFFER
    ]:
        msg = f"the settings differ: {', '.join(changed)}"
        raise DataError(
            msg, where=path, remedy="go on with the same settings, or train from the start in another folder"
        )
    return values


def _flatten(config: Config) -> Iterator[tuple[str, Any]]:
    for section, values in config.to_dict().items():
        for name, value in values.items():
            yield f"{section}.{name}", value
