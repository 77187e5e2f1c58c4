"""Checkpoints: weights, and the settings that build their network."""

from __future__ import annotations

import dataclasses
import pickle
import zipfile
from typing import TYPE_CHECKING, Any

import torch

from edge.errors import ConfigError, DataError
from edge.frontend.params import FrontEndParams
from training.config import Config, config_from_dict
from training.models import build_model

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

_FORMAT = 1


@dataclasses.dataclass(frozen=True, slots=True)
class Checkpoint:
    """A trained network with its settings, front end, labels and last step."""

    model: nn.Module
    config: Config
    params: FrontEndParams
    labels: tuple[str, ...]
    step: int


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint of plain values and tensors.

    The file is replaced as a whole, never left in part.
    """
    values: dict[str, Any] = {
        "format": _FORMAT,
        "config": checkpoint.config.to_dict(),
        "frontend": checkpoint.params.to_dict(),
        "labels": list(checkpoint.labels),
        "step": checkpoint.step,
        "weights": checkpoint.model.state_dict(),
    }
    write_values(path, values)


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint and build its network in evaluation mode.

    No code of the file is run. Raises what `read_values` does, and `DataError` for weights of another version's
    network.
    """
    values = read_values(path, _FORMAT, "a checkpoint")
    config = parse_config(path, values)
    try:
        params, labels = FrontEndParams.from_dict(values["frontend"]), tuple(values["labels"])
        weights, step = dict(values["weights"]), int(values["step"])
    except (ValueError, KeyError, TypeError) as exc:
        msg = f"the checkpoint is incomplete: {exc}"
        raise DataError(msg, where=path) from exc
    model = build_model(config.model, params.n_mels, len(labels))
    try:
        model.load_state_dict(weights)
    except RuntimeError as exc:
        msg = f"its weights belong to another {config.model.name} than this version builds"
        raise DataError(msg, where=path, remedy="train it again") from exc
    return Checkpoint(model.eval(), config, params, labels, step)


def parse_config(path: Path, values: dict[str, Any]) -> Config:
    """Parse the settings in a file's values; raise `DataError` for another version's."""
    try:
        return config_from_dict(values["config"])
    except (ConfigError, KeyError) as exc:
        msg = f"its settings are not of this version: {exc}"
        raise DataError(msg, where=path) from exc


def write_values(path: Path, values: dict[str, Any]) -> None:
    """Write plain values and tensors to a file.

    The file is replaced as a whole, never left in part.
    """
    part = path.with_suffix(".part")
    torch.save(values, part)
    part.replace(path)


def read_values(path: Path, form: int, what: str) -> dict[str, Any]:
    """Read plain values and tensors whose `format` is `form`.

    No code of the file is run. Raises `DataError` for a file that is not `what` of this version, `OSError` when it
    cannot be read.
    """
    with path.open("rb") as file:
        if not zipfile.is_zipfile(file):
            msg = f"the file is not {what}"
            raise DataError(msg, where=path)
    try:
        values = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError) as exc:
        msg = f"the file is not {what}: {exc}"
        raise DataError(msg, where=path) from exc
    if not isinstance(values, dict) or values.get("format") != form:
        msg = f"the file is not {what} of format {form}"
        raise DataError(msg, where=path)
    return values
