"""Log-mel features of every clip, computed once into a memory-mapped file of 16-bit floats."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import soundfile
import soxr
from tqdm import tqdm

from edge.errors import BrokenAudio, DataError, NotAudio
from edge.frontend.downmix import to_mono
from edge.frontend.mel import log_mel
from edge.frontend.samples import are_valid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edge.frontend.params import FrontEndParams
    from training.data.manifest import Clip

_FRAMES, _OFFSETS = "frames.f16", "offsets.npy"


@dataclasses.dataclass(frozen=True, slots=True)
class FeatureStore:
    """Features of all clips of a manifest, concatenated."""

    frames: NDArray[np.float16]
    """Shape (frames of all clips, n_mels), mapped from the file, copied on write."""
    offsets: NDArray[np.int64]
    """Clip i owns the rows ``offsets[i]:offsets[i + 1]``."""
    params: FrontEndParams

    def get(self, clip: Clip) -> NDArray[np.float32]:
        """Return the features of a clip, shape (frames, n_mels)."""
        return self.frames[self.offsets[clip.index] : self.offsets[clip.index + 1]].astype(np.float32)


def load_audio(path: Path, rate_hz: int) -> NDArray[np.float32]:
    """Read a recording as mono samples at `rate_hz`.

    Raises `DataError` for a file that is not audio or is damaged, `OSError` when there is no such file.
    """
    path.stat()  # raises FileNotFoundError, which soundfile does not
    try:
        samples, rate_in_hz = soundfile.read(path, dtype="float32")
    except soundfile.SoundFileError as exc:
        msg = f"the file cannot be read as audio: {exc}"
        raise NotAudio(msg, where=path) from exc
    if not are_valid(samples):
        msg = "the file is damaged: some samples are not numbers, or far beyond full scale"
        raise BrokenAudio(msg, where=path)
    mono = to_mono(samples)
    return mono if rate_in_hz == rate_hz else np.asarray(soxr.resample(mono, rate_in_hz, rate_hz), np.float32)


def select_frame_params(params: FrontEndParams) -> dict[str, Any]:
    """Return the parameters that frames depend on.

    How a network groups frames is not among them.
    """
    return {name: value for name, value in params.to_dict().items() if name not in ("window_frames", "decision_frames")}


def compute_features(samples: NDArray[np.float32], params: FrontEndParams) -> NDArray[np.float16]:
    """Compute the features of a clip, shape (frames, n_mels).

    A clip shorter than a frame gives one frame.
    """
    padded = np.pad(samples, (0, max(0, params.n_fft - samples.size)))
    return log_mel(padded, params).astype(np.float16)


def open_features(data: Path, clips: Sequence[Clip], cache: Path, params: FrontEndParams) -> FeatureStore:
    """Open the cached features of a manifest; compute them if they are not cached.

    The cache's name is a hash of the front-end parameters and of the names and sizes of all files: other recordings,
    other cache. Raises `DataError` for a manifest without clips and for a file that is not audio, `OSError` for one
    that does not exist.
    """
    if not clips:
        msg = "the manifest lists no clips"
        raise DataError(msg, where=data)
    files = [(clip.file, (data / clip.file).stat().st_size) for clip in clips]
    key = json.dumps([select_frame_params(params), files]).encode()
    folder = cache / f"mel-{hashlib.sha256(key).hexdigest()[:16]}"
    if not folder.exists():
        _compute(data, clips, folder, params)
    offsets = np.load(folder / _OFFSETS)
    shape = (int(offsets[-1]), params.n_mels)
    # copy on write: torch accepts only writable arrays, although nothing is written
    return FeatureStore(np.memmap(folder / _FRAMES, np.float16, "c", shape=shape), offsets, params)


def _compute(data: Path, clips: Sequence[Clip], folder: Path, params: FrontEndParams) -> None:
    """Write the features clip by clip, and rename the folder when they are complete.

    So an interrupted run leaves no incomplete cache, and of two runs at once the first to end counts.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{folder.name}.", dir=folder.parent) as scratch:
        whole, lengths = Path(scratch) / "whole", []
        whole.mkdir()
        with (whole / _FRAMES).open("wb") as file:
            for clip in tqdm(clips, desc="features", unit="clip", disable=None):
                mel = compute_features(load_audio(data / clip.file, params.sample_rate_hz), params)
                file.write(mel.tobytes())
                lengths.append(len(mel))
        np.save(whole / _OFFSETS, np.cumsum([0, *lengths], dtype=np.int64))
        try:
            whole.rename(folder)
        except OSError:
            if not folder.exists():  # another run may have created it first, with the same features
                raise
