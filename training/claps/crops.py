"""The crops that the clap network is trained on, made once and kept as 16-bit floats."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from edge.claps.crop import CLAP_FRONT_END
from edge.errors import DataError
from training.data.clap_takes import gather
from training.sound.scenes import clap_scene, other_scene

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.random import Generator
    from numpy.typing import NDArray

    from training.config import Config
    from training.data.manifest import Clip
    from training.sound.scenes import Material

    Scene = Callable[[Material, Generator], list[NDArray[np.float32]]]

_SCENES = 1  # one more where scenes are made in another way, so that no crop of the old way is used
_BARREN = 1_000  # scenes without a crop in a row, after which there is none to be had


@dataclasses.dataclass(frozen=True, slots=True)
class Crops:
    """Crops, shape (n, window_frames, n_mels) each."""

    claps: NDArray[np.float16]
    others: NDArray[np.float16]


def open_crops(data: Path, clips: Sequence[Clip], cache: Path, config: Config) -> Crops:
    """Open the crops of a recipe, making them first when there are none.

    The cache's name is a hash of the file list and of everything in the recipe that they depend on.
    """
    folder = cache / f"claps-{_key(clips, config)}"
    if not (folder / "others.npy").exists():
        _make(gather(data, clips, config), folder, config)
    return Crops(np.load(folder / "claps.npy"), np.load(folder / "others.npy"))


def _key(clips: Sequence[Clip], config: Config) -> str:
    want = config.claps
    recipe = [want.crops, want.other_crops, want.fold, want.people, want.background, want.finer]
    files = [(clip.file, clip.label, clip.group, clip.uploader) for clip in clips]
    rest = [_SCENES, CLAP_FRONT_END.to_dict(), config.train.seed, config.data.exclude_names]
    return hashlib.sha256(json.dumps([recipe, rest, files], sort_keys=True).encode()).hexdigest()[:16]


def _make(have: Material, folder: Path, config: Config) -> None:
    """Write the crops; the others come last, so a cache that was cut short is never taken for whole."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, name, scene, count in (
        (1, "claps", clap_scene, config.claps.crops),
        (2, "others", other_scene, config.claps.other_crops),
    ):
        crops = _draw(scene, have, np.random.default_rng([config.train.seed, number]), count, name)
        part = folder / f"{name}.part.npy"
        np.save(part, crops)
        part.replace(folder / f"{name}.npy")


def _draw(scene: Scene, have: Material, rng: Generator, count: int, name: str) -> NDArray[np.float16]:
    """Return `count` crops of scenes; raises `DataError` where scenes have no onsets."""
    crops = np.empty((count, CLAP_FRONT_END.window_frames, CLAP_FRONT_END.n_mels), np.float16)
    filled = barren = 0
    with tqdm(desc=name, total=count, unit="crop", disable=None) as bar:
        while filled < count:
            new = scene(have, rng)[: count - filled]
            barren = 0 if new else barren + 1
            if barren == _BARREN:
                msg = f"{_BARREN} scenes of {name} in a row have no onset: the recordings are silent"
                raise DataError(msg)
            crops[filled : filled + len(new)] = np.reshape(new, (-1, *crops.shape[1:]))
            filled += len(new)
            bar.update(len(new))
    return crops
