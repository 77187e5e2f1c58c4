"""Features of varied copies of the recordings, and of synthetic sounds.

Copies have other rooms, distances, microphones and codecs. Changes of a waveform are too slow for every batch, so they
are made before a run.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import multiprocessing
import os
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from training.data.clap_takes import CLAP, cut_claps, make_take
from training.data.features import compute_features, load_audio, select_frame_params
from training.sound import synthesis
from training.sound.chain import vary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from edge.frontend.params import FrontEndParams
    from training.data.manifest import Clip

    Frames = NDArray[np.float16]

SIREN = "siren"
_AT_ONCE = 32
_CHAIN = "training.augment.waveform.chain.vary 1"  # names the copies; another number where `vary` changes


@dataclasses.dataclass(frozen=True, slots=True)
class SyntheticSounds:
    """Synthetic sounds of one label, as features."""

    label: str
    features: list[NDArray[np.float16]]
    """One array per sound, shape (frames, n_mels)."""


def open_copy(data: Path, clips: Sequence[Clip], cache: Path, params: FrontEndParams, seed: int) -> Frames:
    """Open the features of a varied copy of every clip; compute them if not cached.

    They are concatenated as in `open_features`. Clip i of copy `seed` always gets the same changes. Raises what
    `load_audio` does.
    """
    key = json.dumps([select_frame_params(params), [clip.file for clip in clips], seed, _CHAIN]).encode()
    path = cache / f"copy-{hashlib.sha256(key).hexdigest()[:16]}.npy"
    if not path.exists():
        blocks = _process_clips(partial(_vary_clip, data, params, seed), clips, f"copy {seed}")
        _save(path, np.concatenate(blocks))
    return np.asarray(np.load(path, mmap_mode="r"))


def _process_clips(work: Callable[[Clip], Frames], clips: Sequence[Clip], name: str) -> list[Frames]:
    """Process every clip, in one process per core.

    NumPy keeps each process busy.
    """
    bar = partial(tqdm, desc=name, total=len(clips), unit="clip", disable=None)
    if len(clips) <= _AT_ONCE:
        return list(bar(map(work, clips)))
    # not by fork, which would copy the locks of torch's threads
    with ProcessPoolExecutor(os.cpu_count(), multiprocessing.get_context("spawn")) as pool:
        return list(bar(pool.map(work, clips, chunksize=_AT_ONCE)))


def _vary_clip(data: Path, params: FrontEndParams, seed: int, clip: Clip) -> Frames:
    samples = load_audio(data / clip.file, params.sample_rate_hz)
    changed = vary(samples, params.sample_rate_hz, np.random.default_rng([seed, clip.index]))
    return compute_features(changed, params)


def make_sirens(count: int, params: FrontEndParams, seed: int) -> SyntheticSounds:
    """Make the features of synthetic sirens."""
    rngs = [np.random.default_rng([seed, 1, number]) for number in range(count)]
    sounds = (_set_level(synthesis.make_siren(rng), rng) for rng in tqdm(rngs, "sirens", disable=None))
    return SyntheticSounds(SIREN, [compute_features(sound, params) for sound in sounds])


def make_claps(data: Path, clips: Iterable[Clip], count: int, params: FrontEndParams, seed: int) -> SyntheticSounds:
    """Make the features of synthetic sequences of claps.

    The claps are those in clips labelled as claps, and synthetic ones, in synthetic rooms.
    """
    people: defaultdict[str, list[NDArray[np.float32]]] = defaultdict(list)
    for clip in clips:
        if clip.label == CLAP:
            people[clip.group].extend(cut_claps(make_take(load_audio(data / clip.file, params.sample_rate_hz), 0)))
    have = {group: hands for group, hands in people.items() if hands}
    rngs = [np.random.default_rng([seed, 2, number]) for number in range(count)]
    sounds = (_set_level(synthesis.make_claps(have, rng), rng) for rng in tqdm(rngs, "claps", disable=None))
    return SyntheticSounds(CLAP, [compute_features(sound, params) for sound in sounds])


def _set_level(sound: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Set a sound of peak 1 to -40 to 0 dBFS, with a microphone's noise."""
    hiss = rng.standard_normal(sound.size) * 10.0 ** (rng.uniform(-85.0, -50.0) / 20.0)
    return np.asarray(sound * 10.0 ** (rng.uniform(-40.0, 0.0) / 20.0) + hiss, np.float32)


def _save(path: Path, frames: Frames) -> None:
    """Write an array to a file.

    The file is replaced as a whole, never left in part.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}.npy")
    np.save(part, frames)
    part.replace(path)
