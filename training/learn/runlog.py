"""What a run leaves to be looked at: its settings in `config.json`, and a line a look in `log.jsonl`."""

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

_SETTINGS, _LOOKS = "config.json", "log.jsonl"


@dataclasses.dataclass(frozen=True, slots=True)
class Look:
    """What was seen after a step."""

    step: int
    loss: float
    """Mean over the steps since the last look, as far as `train.validate_every` reaches."""
    lr: float
    mean_ap: float
    ap: dict[str, float]
    """Average precision of each label on the validation part; NaN for one without a clip there."""


class RunLog:
    """The two files of a run in its folder."""

    def __init__(self, folder: Path, step: int) -> None:
        """Forget what was seen after `step`: the run goes on from there."""
        self._folder = folder
        path = folder / _LOOKS
        lines = path.read_text("utf-8").splitlines() if step and path.exists() else []
        kept = [line for line in lines if _step_of(path, line) <= step]
        path.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")

    def settings(self, config: Config, about: dict[str, Any]) -> None:
        """Write everything that the run was started with, `about` what the settings leave open."""
        versions = {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__}
        values = {"config": config.to_dict(), **about, "versions": versions}
        (self._folder / _SETTINGS).write_text(dumps(values, indent=1) + "\n", encoding="utf-8")

    def add(self, look: Look) -> None:
        """Append a look; what is no number is null."""
        with (self._folder / _LOOKS).open("a", encoding="utf-8") as file:
            file.write(dumps(dataclasses.asdict(look)) + "\n")


def _step_of(path: Path, line: str) -> int:
    try:
        return int(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError) as exc:
        msg = f"the line {line[:40]!r} does not belong to the log of a run"
        raise DataError(msg, where=path, remedy="remove that line") from exc
