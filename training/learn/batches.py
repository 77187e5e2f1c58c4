"""Augmented batches, each prepared by another thread while the one before is learnt from."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import torch

from edge.errors import ConfigError
from training.augment.batch import Batch
from training.augment.recipe import Recipe
from training.data.fit import fit_to_labels
from training.learn.losses import CONTRASTIVE
from training.learn.sampler import CropSampler, pool_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from torch import Tensor

    from training.config import Config
    from training.data.material import Material

_log = logging.getLogger(__name__)


class Batches:
    """Batches without end: the same ones for the same seed, and from a saved state the ones that would have followed.

    Threads take turns, each with a generator of its own, so that the order does not depend on who is faster.
    """

    def __init__(self, prepare: Callable[[torch.Generator], Batch], seed: int, workers: int) -> None:
        """Begin at the first batch; `prepare` may run in `workers` threads at once."""
        self._prepare = prepare
        self._generators = [torch.Generator().manual_seed(seed + worker) for worker in range(workers)]
        self._states = [generator.get_state() for generator in self._generators]

    def state(self) -> Tensor:
        """Return what the batches that were not taken yet are drawn from, shape (workers, bytes)."""
        return torch.stack(self._states)

    def set_state(self, state: Tensor) -> None:
        """Go on as the one did whose `state` this was."""
        self._states = [mine.clone() for mine in state]  # a generator reads no view of a larger tensor
        for generator, mine in zip(self._generators, self._states, strict=True):
            generator.set_state(mine)

    def following(self, taken: int) -> Generator[Batch, None, None]:
        """Yield the batches that follow after this many."""
        first = taken % len(self._generators)
        turns = [*range(first, len(self._generators)), *range(first)]
        with ThreadPoolExecutor(len(turns), initializer=torch.set_num_threads, initargs=(1,)) as workers:
            coming = deque((turn, workers.submit(self._next, turn)) for turn in turns)
            while True:
                turn, done = coming.popleft()
                batch, self._states[turn] = done.result()
                coming.append((turn, workers.submit(self._next, turn)))
                yield batch

    def _next(self, turn: int) -> tuple[Batch, Tensor]:
        generator = self._generators[turn]
        return self._prepare(generator), generator.get_state()


def preparer(material: Material, config: Config, size: int, *, pinned: bool) -> Callable[[torch.Generator], Batch]:
    """Return what draws and augments `size` samples; for a contrastive loss, two views of half as many.

    What is `pinned` can be copied to CUDA while that computes. Raises `ConfigError` when pairs are to be made of an odd
    number, and for settings about classes that are not there.
    """
    config = dataclasses.replace(config, data=fit_to_labels(config.data, material.labels))
    sounds, backgrounds = _samplers(material, config)
    recipe = Recipe(
        config.augment,
        material.store.params,
        torch.tensor([label in config.data.impulsive for label in material.labels]),
        material.labels.index(config.data.quiet_label) if config.data.quiet_label else None,
    )
    views = 2 if config.train.loss in CONTRASTIVE else 1
    if size % views:
        msg = f"a process has {size} samples a step, but train.loss needs pairs"
        raise ConfigError(msg, where="config: train.batch")

    def prepare(generator: torch.Generator) -> Batch:
        drawn = sounds.draw(size // views, generator)
        batch = _each(
            torch.cat, *(recipe(drawn, backgrounds.draw(size // views, generator), generator) for _ in range(views))
        )
        return _each(lambda parts: parts[0].pin_memory(), batch) if pinned else batch

    return prepare


def placed(batch: Batch, device: torch.device) -> Batch:
    """Return a batch on a device; a pinned one is copied to it while it computes."""
    return _each(lambda parts: parts[0].to(device, non_blocking=True), batch)


def _each(change: Callable[[list[Tensor]], Tensor], *batches: Batch) -> Batch:
    """Return the batch whose every field is made of those of others, as far as they have it."""
    values: dict[str, Any] = {}
    for field in dataclasses.fields(Batch):
        parts = [getattr(batch, field.name) for batch in batches]
        values[field.name] = None if parts[0] is None else change(parts)
    return Batch(**values)


def _samplers(material: Material, config: Config) -> tuple[CropSampler, CropSampler]:
    started = time.monotonic()
    behind = [clip for clip in material.train if clip.label in config.data.background]
    if not behind:
        kinds = ", ".join(config.data.background)
        msg = f"no training clip is of {kinds}"
        raise ConfigError(msg, where="config: data.background", remedy="name classes to mix into the others")
    shared = (material.labels, material.teacher, material.logits, config)
    whole = pool_of(material.store, material.train, material.copies, material.made)
    samplers = (
        CropSampler(whole, *shared, config.data.class_weights),
        CropSampler(pool_of(material.store, behind, material.copies), *shared, {}),
    )
    took_s = time.monotonic() - started
    _log.info("%d clips, %d of them backgrounds, ready in %.0f s", len(material.train), len(behind), took_s)
    return samplers
