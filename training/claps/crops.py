"""Crops for the training of the clap network, cached as 16-bit floats."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from edge.claps.crop import CLAP_FRONT_END
from edge.errors import DataError
from training.data.clap_takes import gather_sounds
from training.sound.clap_scenes import make_clap_scene, make_other_scene

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.random import Generator
    from numpy.typing import NDArray

    from training.config import Config
    from training.data.manifest import Clip
    from training.sound.clap_scenes import SceneSounds

    Scene = Callable[[SceneSounds, Generator], list[NDArray[np.float32]]]

_SCENES = 1  # version of the scenes: raise it when they are made differently, so that no old crop is used
_BARREN = 1_000  # scenes without a crop in a row after which the recordings count as silent


@dataclasses.dataclass(frozen=True, slots=True)
class Crops:
    """Crops, shape (n, window_frames, n_mels) each."""

    claps: NDArray[np.float16]
    others: NDArray[np.float16]


def open_crops(data: Path, clips: Sequence[Clip], cache: Path, config: Config) -> Crops:
    """Open the crops of a recipe; make them if they are not cached.

    The cache's name is a hash of the file list and of everything in the recipe that the crops depend on.
    """
    folder = cache / f"claps-{_hash_inputs(clips, config)}"
    if not (folder / "others.npy").exists():
        _write_crops(gather_sounds(data, clips, config), folder, config)
    return Crops(np.load(folder / "claps.npy"), np.load(folder / "others.npy"))


def _hash_inputs(clips: Sequence[Clip], config: Config) -> str:
    want = config.claps
    recipe = [want.crops, want.other_crops, want.fold, want.people, want.background, want.finer]
    files = [(clip.file, clip.label, clip.group, clip.uploader) for clip in clips]
    rest = [_SCENES, CLAP_FRONT_END.to_dict(), config.train.seed, config.data.exclude_names]
    return hashlib.sha256(json.dumps([recipe, rest, files], sort_keys=True).encode()).hexdigest()[:16]


def _write_crops(sounds: SceneSounds, folder: Path, config: Config) -> None:
    """Write the crops.

    The others come last, so an interrupted cache is never taken for a complete one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for number, name, scene, count in (
        (1, "claps", make_clap_scene, config.claps.crops),
        (2, "others", make_other_scene, config.claps.other_crops),
    ):
        crops = _draw_crops(scene, sounds, np.random.default_rng([config.train.seed, number]), count, name)
        part = folder / f"{name}.part.npy"
        np.save(part, crops)
        part.replace(folder / f"{name}.npy")


def _draw_crops(scene: Scene, sounds: SceneSounds, rng: Generator, count: int, name: str) -> NDArray[np.float16]:
    """Draw `count` crops of scenes; raise `DataError` if scenes have no onsets."""
    crops = np.empty((count, CLAP_FRONT_END.window_frames, CLAP_FRONT_END.n_mels), np.float16)
    filled = barren = 0
    with tqdm(desc=name, total=count, unit="crop", disable=None) as bar:
        while filled < count:
            new = scene(sounds, rng)[: count - filled]
            barren = 0 if new else barren + 1
            if barren == _BARREN:
                msg = f"{_BARREN} scenes of {name} in a row have no onset: the recordings are silent"
                raise DataError(msg)
            crops[filled : filled + len(new)] = np.reshape(new, (-1, *crops.shape[1:]))
            filled += len(new)
            bar.update(len(new))
    return crops
