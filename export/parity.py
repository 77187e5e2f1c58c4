"""PyTorch, folded PyTorch and ONNX side by side."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from export.fold import folded
from export.onnx import run_onnx, run_torch

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import nn

LIMIT = 1e-5
"""Largest change of a probability that an export may bring."""


@dataclasses.dataclass(frozen=True, slots=True)
class Parity:
    """Largest differences of probabilities from the trained network."""

    folded: float
    onnx: float

    def __str__(self) -> str:
        return f"largest change of a probability: folded {self.folded:.2g}, ONNX {self.onnx:.2g}"

    def check(self) -> None:
        """Raise `ValueError` beyond the limit."""
        if not max(self.folded, self.onnx) <= LIMIT:
            msg = f"the export differs: folded by {self.folded:.2g}, ONNX by {self.onnx:.2g}; allowed {LIMIT:.0e}"
            raise ValueError(msg)


def compare(model: nn.Module, network: Path | bytes, features: NDArray[np.float32]) -> Parity:
    """Run features of shape (n, frames, n_mels) through all three."""
    wanted = _chances(run_torch(model, features))
    fold = _chances(run_torch(folded(model), features))
    onnx = _chances(run_onnx(network, features))
    return Parity(float(np.abs(fold - wanted).max()), float(np.abs(onnx - wanted).max()))


def _chances(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.asarray(1.0 / (1.0 + np.exp(-logits.astype(np.float64))))
