"""Run log: config.json, and one line per validation in log.jsonl."""

from __future__ import annotations

import dataclasses
import json
import platform
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from edge.errors import DataError
from edge.jsontext import dumps

if TYPE_CHECKING:
    from pathlib import Path

    from training.config import Config

_SETTINGS, _VALIDATIONS = "config.json", "log.jsonl"


@dataclasses.dataclass(frozen=True, slots=True)
class Validation:
    """The results of a validation."""

    step: int
    loss: float
    """Mean over the steps since the last validation, `train.validate_every` at most."""
    lr: float
    mean_ap: float
    ap: dict[str, float]
    """Average precision of each label on the validation part; NaN without a clip."""


class RunLog:
    """The two log files of a run in its folder."""

    def __init__(self, folder: Path, step: int) -> None:
        """Remove the validations after `step`, at which the run resumes."""
        self._folder = folder
        path = folder / _VALIDATIONS
        lines = path.read_text("utf-8").splitlines() if step and path.exists() else []
        kept = [line for line in lines if _parse_step(path, line) <= step]
        path.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")

    def write_settings(self, config: Config, about: dict[str, Any]) -> None:
        """Write the settings of the run, the versions, and further facts in `about`."""
        versions = {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__}
        values = {"config": config.to_dict(), **about, "versions": versions}
        (self._folder / _SETTINGS).write_text(dumps(values, indent=1) + "\n", encoding="utf-8")

    def add(self, validation: Validation) -> None:
        """Append a validation; NaN becomes null."""
        with (self._folder / _VALIDATIONS).open("a", encoding="utf-8") as file:
            file.write(dumps(dataclasses.asdict(validation)) + "\n")


def _parse_step(path: Path, line: str) -> int:
    try:
        return int(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError) as exc:
        msg = f"the line {line[:40]!r} does not belong to the log of a run"
        raise DataError(msg, where=path, remedy="remove that line") from exc
