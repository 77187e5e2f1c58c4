"""Parity of PyTorch, folded PyTorch and ONNX."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from edge.errors import DataError
from export.graph.fold import fold
from export.graph.onnx import get_state_size, open_session, run_onnx, run_pieces, run_torch

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import nn

LIMIT = 1e-5
"""Largest allowed change of a probability by an export."""
_PIECE = 5
"""Decisions in a piece of a sequence: a streaming network is run in pieces too."""


@dataclasses.dataclass(frozen=True, slots=True)
class Parity:
    """Largest differences of probabilities from the trained network."""

    folded: float
    onnx: float

    def __str__(self) -> str:
        return f"largest change of a probability: folded {self.folded:.2g}, ONNX {self.onnx:.2g}"

    def check(self) -> None:
        """Raise `DataError` for a change beyond the limit."""
        if not max(self.folded, self.onnx) <= LIMIT:
            differences = f"folded by {self.folded:.2g}, ONNX by {self.onnx:.2g}"
            msg = f"the exported network differs by more than {LIMIT:.0e}: {differences}"
            raise DataError(msg)


def compare_networks(model: nn.Module, network: Path | bytes, features: NDArray[np.float32]) -> Parity:
    """Run features through the trained, the folded and the ONNX network.

    Features are windows (n, frames, n_mels), or a stream's sequence (1, frames, n_mels). A sequence is run in the ONNX
    network as a whole, and in pieces of whole decisions with the state carried on: both count.
    """
    wanted = run_torch(model, features)
    opened = open_session(network)
    onnx = find_largest_change(wanted, run_onnx(opened, features))
    if size := get_state_size(opened):
        steps = np.split(features, len(wanted), axis=1)
        pieces = [np.concatenate(steps[at : at + _PIECE], axis=1) for at in range(0, len(steps), _PIECE)]
        onnx = max(onnx, find_largest_change(wanted, run_pieces(opened, pieces, np.zeros((1, size), np.float32))))
    return Parity(find_largest_change(wanted, run_torch(fold(model), features)), onnx)


def find_largest_change(wanted: NDArray[np.float32], got: NDArray[np.float32]) -> float:
    """Return the largest change of a probability between two arrays of logits.

    It is NaN if a logit is not a number.
    """
    return float(np.abs(to_probabilities(wanted) - to_probabilities(got)).max())


def to_probabilities(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the probabilities of logits, without calibration."""
    return np.asarray(1.0 / (1.0 + np.exp(-logits.astype(np.float64))))
