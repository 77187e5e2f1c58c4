"""A network to compare: a checkpoint, or a bundle made from one."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from edge.errors import UsageError
from edge.inference.bundle import read_bundle
from export.bundle.golden import compute_golden_features, cut_golden_waveform
from export.graph.fold import fold
from export.graph.onnx import to_onnx
from training.checkpoint import Checkpoint, load_checkpoint
from training.models.streamnet import Streaming

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from edge.frontend.params import FrontEndParams
    from edge.inference.bundle import Bundle

INT8 = "model.int8.onnx"
"""File name of the 8-bit network, beside its original."""


@dataclasses.dataclass(frozen=True, slots=True)
class Source:
    """A network as ONNX, with its parameters and origin."""

    name: str
    network: bytes
    params: FrontEndParams
    labels: tuple[str, ...]
    streaming: bool
    folder: Path
    checkpoint: Checkpoint | None = None
    bundle: Bundle | None = None

    @property
    def int8(self) -> bytes | None:
        """The 8-bit network beside it, None if there is no such file."""
        path = self.folder / INT8
        return path.read_bytes() if path.exists() else None

    def read_golden(self, recording: Path) -> NDArray[np.float32]:
        """Return the network's input from a bundle's own golden recording.

        For a checkpoint the loudest part of `recording` is used.
        """
        rate_hz = self.params.sample_rate_hz
        waveform = self.bundle.golden.waveform if self.bundle else cut_golden_waveform(recording, rate_hz)
        return compute_golden_features(waveform, self.params, streaming=self.streaming)[1]

    def make_live_features(self) -> NDArray[np.float32]:
        """Return the features of one live decision in silence, (1, frames, n_mels)."""
        frames = self.params.decision_frames if self.streaming else self.params.window_frames
        return np.full((1, frames, self.params.n_mels), self.params.silence, np.float32)

    def require_checkpoint(self) -> Checkpoint:
        """Return the checkpoint; raise `UsageError` for a bundle."""
        if self.checkpoint is None:
            msg = "this is a bundle, but the command needs a checkpoint"
            raise UsageError(msg, where=self.folder, remedy="name the checkpoint that the bundle was made from")
        return self.checkpoint


def open_source(path: Path) -> Source:
    """Open a bundle's folder, or a checkpoint.

    The network of a checkpoint is folded and exported. Raises `BundleError` and what `load_checkpoint` raises.
    """
    if path.is_dir():
        bundle = read_bundle(path)
        network = bundle.model_path.read_bytes()
        name = f"{bundle.id} {bundle.version}"
        return Source(name, network, bundle.params, bundle.labels, bundle.streaming, path, bundle=bundle)
    checkpoint = load_checkpoint(path)
    streaming = isinstance(checkpoint.model, Streaming)
    network = to_onnx(fold(checkpoint.model), checkpoint.params)
    return Source(path.stem, network, checkpoint.params, checkpoint.labels, streaming, path.parent, checkpoint)
