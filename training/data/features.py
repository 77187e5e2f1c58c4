"""Log-mel features of every clip, computed once into a memory-mapped file of 16-bit floats."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import TYPE_CHECKING

import numpy as np
import soundfile
import soxr
from tqdm import tqdm

from edge.frontend.mel import log_mel
from edge.frontend.resample import to_mono

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from edge.frontend.params import FrontEndParams
    from training.data.manifest import Clip


@dataclasses.dataclass(frozen=True, slots=True)
class FeatureStore:
    """Features of all clips of a manifest, end to end."""

    frames: NDArray[np.float16]
    """Shape (frames of all clips, n_mels)."""
    offsets: NDArray[np.int64]
    """Clip i owns the rows ``offsets[i]:offsets[i + 1]``."""
    params: FrontEndParams

    def of(self, clip: Clip) -> NDArray[np.float32]:
        """Return the features of a clip, shape (frames, n_mels)."""
        return self.frames[self.offsets[clip.index] : self.offsets[clip.index + 1]].astype(np.float32)


def load_audio(path: Path, rate_hz: int) -> NDArray[np.float32]:
    """Read a recording as mono samples at `rate_hz`; raises `ValueError` for what is not audio."""
    try:
        samples, rate_in_hz = soundfile.read(path, dtype="float32")
    except soundfile.SoundFileError as exc:
        msg = f"{path}: not readable as audio: {exc}"
        raise ValueError(msg) from exc
    mono = to_mono(samples)
    return mono if rate_in_hz == rate_hz else np.asarray(soxr.resample(mono, rate_in_hz, rate_hz), np.float32)


def open_features(data: Path, clips: Sequence[Clip], cache: Path, params: FrontEndParams) -> FeatureStore:
    """Open the cached features of a manifest, computing them first when there are none.

    The cache's name is a hash of the file list and the front-end parameters: other clips, other cache.
    """
    key = json.dumps([params.to_dict(), [clip.file for clip in clips]]).encode()
    folder = cache / hashlib.sha256(key).hexdigest()[:16]
    if not (folder / "offsets.npy").exists():
        _compute(data, clips, folder, params)
    frames = np.load(folder / "frames.npy", mmap_mode="r")
    return FeatureStore(frames, np.load(folder / "offsets.npy"), params)


def _compute(data: Path, clips: Sequence[Clip], folder: Path, params: FrontEndParams) -> None:
    """Write the features; the offsets come last, so a cache that was cut short is never taken for whole."""
    folder.mkdir(parents=True, exist_ok=True)
    blocks = []
    for clip in tqdm(clips, desc="features", unit="clip", disable=None):
        samples = load_audio(data / clip.file, params.sample_rate_hz)
        padded = np.pad(samples, (0, max(0, params.n_fft - samples.size)))
        blocks.append(log_mel(padded, params).astype(np.float16))
    np.save(folder / "frames.npy", np.concatenate(blocks))
    np.save(folder / "offsets.npy", np.cumsum([0] + [len(block) for block in blocks], dtype=np.int64))
