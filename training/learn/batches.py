"""Prefetching of augmented batches."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import torch

from edge.errors import ConfigError
from training.augment.augmenter import Augmenter
from training.augment.batch import Batch
from training.data.fit import fit_to_labels
from training.learn.losses import CONTRASTIVE
from training.learn.sampler import CropSampler, make_pool

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from torch import Tensor

    from training.config import Config
    from training.data.dataset import Dataset

log = logging.getLogger(__name__)


class Batches:
    """An endless, reproducible sequence of batches.

    The same seed gives the same batches, and a saved state the batches that would have followed. Threads take turns,
    each with its own generator, so that the order does not depend on their speed.
    """

    def __init__(self, prepare: Callable[[torch.Generator], Batch], seed: int, workers: int) -> None:
        """Start at the first batch; `prepare` may run in `workers` threads at once."""
        self._prepare = prepare
        self._generators = [torch.Generator().manual_seed(seed + worker) for worker in range(workers)]
        self._states = [generator.get_state() for generator in self._generators]

    def get_state(self) -> Tensor:
        """Return the generator states of the next batches, (workers, bytes)."""
        return torch.stack(self._states)

    def set_state(self, state: Tensor) -> None:
        """Restore a state returned by `get_state`."""
        self._states = [mine.clone() for mine in state]  # a generator does not accept a view of a larger tensor
        for generator, mine in zip(self._generators, self._states, strict=True):
            generator.set_state(mine)

    def iterate(self, taken: int) -> Generator[Batch, None, None]:
        """Yield the batches after the first `taken`."""
        first = taken % len(self._generators)
        turns = [*range(first, len(self._generators)), *range(first)]
        with ThreadPoolExecutor(len(turns), initializer=torch.set_num_threads, initargs=(1,)) as workers:
            coming = deque((turn, workers.submit(self._prepare_next, turn)) for turn in turns)
            while True:
                turn, done = coming.popleft()
                batch, self._states[turn] = done.result()
                coming.append((turn, workers.submit(self._prepare_next, turn)))
                yield batch

    def _prepare_next(self, turn: int) -> tuple[Batch, Tensor]:
        generator = self._generators[turn]
        return self._prepare(generator), generator.get_state()


def make_preparer(dataset: Dataset, config: Config, size: int, *, pinned: bool) -> Callable[[torch.Generator], Batch]:
    """Return a function that draws and augments `size` samples.

    For a contrastive loss these are two views of half as many. With `pinned`, batches can be copied to CUDA while it
    computes. Raises `ConfigError` when pairs are to be made of an odd number, and for settings about classes that do
    not exist.
    """
    config = dataclasses.replace(config, data=fit_to_labels(config.data, dataset.labels))
    sounds, backgrounds = _make_samplers(dataset, config)
    augment = Augmenter(
        config.augment,
        dataset.store.params,
        torch.tensor([label in config.data.impulsive for label in dataset.labels]),
        dataset.labels.index(config.data.quiet_label) if config.data.quiet_label else None,
    )
    views = 2 if config.train.loss in CONTRASTIVE else 1
    if size % views:
        msg = f"a process has {size} samples a step, but train.loss needs pairs"
        raise ConfigError(msg, where="config: train.batch")

    def prepare(generator: torch.Generator) -> Batch:
        drawn = sounds.draw(size // views, generator)
        batch = _map_fields(
            torch.cat, *(augment(drawn, backgrounds.draw(size // views, generator), generator) for _ in range(views))
        )
        return _map_fields(lambda parts: parts[0].pin_memory(), batch) if pinned else batch

    return prepare


def move_batch(batch: Batch, device: torch.device) -> Batch:
    """Move a batch to a device.

    A pinned batch is copied while the device computes.
    """
    return _map_fields(lambda parts: parts[0].to(device, non_blocking=True), batch)


def _map_fields(change: Callable[[list[Tensor]], Tensor], *batches: Batch) -> Batch:
    """Return a batch with each field computed from that field of all batches.

    A field that is None stays None.
    """
    values: dict[str, Any] = {}
    for field in dataclasses.fields(Batch):
        parts = [getattr(batch, field.name) for batch in batches]
        values[field.name] = None if parts[0] is None else change(parts)
    return Batch(**values)


def _make_samplers(dataset: Dataset, config: Config) -> tuple[CropSampler, CropSampler]:
    started = time.monotonic()
    behind = [clip for clip in dataset.train if clip.label in config.data.background]
    if not behind:
        kinds = ", ".join(config.data.background)
        msg = f"no training clip is of {kinds}"
        raise ConfigError(msg, where="config: data.background", remedy="name classes to mix into the others")
    shared = (dataset.labels, dataset.teacher, dataset.logits, config)
    whole = make_pool(dataset.store, dataset.train, dataset.copies, dataset.synthetic)
    samplers = (
        CropSampler(whole, *shared, config.data.class_weights),
        CropSampler(make_pool(dataset.store, behind, dataset.copies), *shared, {}),
    )
    took_s = time.monotonic() - started
    log.info("%d clips, %d of them backgrounds, ready in %.0f s", len(dataset.train), len(behind), took_s)
    return samplers
