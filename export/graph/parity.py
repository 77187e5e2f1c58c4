"""PyTorch, folded PyTorch and ONNX side by side."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from edge.errors import DataError
from export.graph.fold import folded
from export.graph.onnx import run_onnx, run_pieces, run_torch, session, state_size

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import nn

LIMIT = 1e-5
"""Largest change of a probability that an export may bring."""
_PIECE = 5
"""Decisions in a piece of a sequence: a streaming network is fed it in pieces, beside whole."""


@dataclasses.dataclass(frozen=True, slots=True)
class Parity:
    """Largest differences of probabilities from the trained network."""

    folded: float
    onnx: float

    def __str__(self) -> str:
        return f"largest change of a probability: folded {self.folded:.2g}, ONNX {self.onnx:.2g}"

    def check(self) -> None:
        """Raise `DataError` beyond the limit."""
        if not max(self.folded, self.onnx) <= LIMIT:
            differences = f"folded by {self.folded:.2g}, ONNX by {self.onnx:.2g}"
            msg = f"the exported network differs by more than {LIMIT:.0e}: {differences}"
            raise DataError(msg)


def compare(model: nn.Module, network: Path | bytes, features: NDArray[np.float32]) -> Parity:
    """Run features through all three: windows (n, frames, n_mels), or a stream's sequence (1, frames, n_mels).

    A sequence is fed to the ONNX network whole, and in pieces of whole decisions with the state carried: both count.
    """
    wanted = run_torch(model, features)
    opened = session(network)
    onnx = change(wanted, run_onnx(opened, features))
    if size := state_size(opened):
        steps = np.split(features, len(wanted), axis=1)
        pieces = [np.concatenate(steps[at : at + _PIECE], axis=1) for at in range(0, len(steps), _PIECE)]
        onnx = max(onnx, change(wanted, run_pieces(opened, pieces, np.zeros((1, size), np.float32))))
    return Parity(change(wanted, run_torch(folded(model), features)), onnx)


def change(wanted: NDArray[np.float32], got: NDArray[np.float32]) -> float:
    """Return the largest change of a probability between two arrays of logits; NaN where one is not a number."""
    return float(np.abs(chances(wanted) - chances(got)).max())


def chances(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the probabilities of logits, before any calibration."""
    return np.asarray(1.0 / (1.0 + np.exp(-logits.astype(np.float64))))
