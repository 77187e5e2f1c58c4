"""One training run: draw, augment, step, average, now and then look."""

from __future__ import annotations

import copy
import dataclasses
import logging
import math
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from tqdm import tqdm

from training.augment.recipe import Recipe
from training.checkpoint import Checkpoint, save_checkpoint
from training.data.crops import CropSampler
from training.losses import label_and_teacher_loss
from training.metrics import average_precision
from training.models import build_model
from training.scoring import score_clips

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from torch import Tensor, nn

    from training.augment.recipe import Batch
    from training.config import Config, TrainConfig
    from training.data.features import FeatureStore
    from training.data.manifest import Clip
    from training.data.teacher import Teacher

_log = logging.getLogger(__name__)
_VALIDATION_HOP_FRAMES = 32


@dataclasses.dataclass(frozen=True, slots=True)
class Material:
    """What a run learns from and is watched on."""

    train: Sequence[Clip]
    validation: Sequence[Clip]
    labels: tuple[str, ...]
    store: FeatureStore
    teacher: Teacher | None


def learning_rate(step: int, config: TrainConfig) -> float:
    """Return the rate of a step: a straight rise, then half a cosine down to 0."""
    if step < config.warmup_steps:
        return config.lr * (step + 1) / config.warmup_steps
    done = (step - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
    return config.lr * 0.5 * (1.0 + math.cos(math.pi * done))


@torch.no_grad()
def update_average(average: nn.Module, model: nn.Module, decay: float) -> None:
    """Move the averaged weights towards the model's; counters are copied."""
    for kept, new in zip(average.state_dict().values(), model.state_dict().values(), strict=True):
        if kept.is_floating_point():
            kept.lerp_(new, 1.0 - decay)
        else:
            kept.copy_(new)


def optimiser(model: nn.Module, config: TrainConfig) -> torch.optim.AdamW:
    """Return AdamW that decays kernels and leaves norms and biases alone."""
    kernels = [weight for weight in model.parameters() if weight.ndim > 1]
    others = [weight for weight in model.parameters() if weight.ndim <= 1]
    groups = [{"params": kernels, "weight_decay": config.weight_decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=config.lr)


def train(material: Material, config: Config, out: Path) -> Path:
    """Train from scratch; return the path of the checkpoint, `out`/last.pt, that holds the averaged weights.

    The checkpoint is written at every look at the validation part, so a run that is cut short leaves one.
    """
    out.mkdir(parents=True, exist_ok=True)
    with arithmetic(config.train):
        torch.manual_seed(config.train.seed)
        _learn(material, config, out / "last.pt")
    return out / "last.pt"


def _learn(material: Material, config: Config, path: Path) -> None:
    run, params = config.train, material.store.params
    model = build_model(config.model, params.n_mels, len(material.labels))
    model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # torch has it, its types do not
    average, steps = copy.deepcopy(model), optimiser(model, run)
    losses: list[float] = []
    for step, batch in enumerate(tqdm(_batches(material, config), "train", run.steps, unit="step", disable=None)):
        model.train()
        loss = label_and_teacher_loss(model(batch.features), batch, run.distil_weight)
        losses.append(take_step(steps, loss, learning_rate(step, run)))
        update_average(average, model, min(run.ema_decay, (step + 1) / (step + 10)))
        if (step + 1) % run.validate_every == 0 or step + 1 == run.steps:
            _look(average, material, step + 1, float(np.mean(losses[-run.validate_every :])))
            save_checkpoint(path, Checkpoint(average, config, params, material.labels, step + 1))


@contextmanager
def arithmetic(config: TrainConfig) -> Iterator[None]:
    """Use the run's threads and precision, and put back what was there: they belong to the whole process."""
    kinds: list[Any] = [torch.backends.mkldnn.conv, torch.backends.mkldnn.matmul]  # type: ignore[attr-defined]
    threads, before = torch.get_num_threads(), [kind.fp32_precision for kind in kinds]
    torch.set_num_threads(config.threads)
    for kind in kinds:
        kind.fp32_precision = "bf16" if config.bf16 else "ieee"
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        for kind, precision in zip(kinds, before, strict=True):
            kind.fp32_precision = precision


def _batches(material: Material, config: Config) -> Iterator[Batch]:
    """Yield the augmented batches of a run, each prepared by another thread while the one before is learnt from."""
    run = config.train
    generator = torch.Generator().manual_seed(run.seed)
    sounds, backgrounds = _samplers(material, config)
    recipe = Recipe(
        config.augment,
        material.store.params,
        torch.tensor([label in config.data.impulsive for label in material.labels]),
        material.labels.index(config.data.quiet_label),
    )

    def prepare() -> Batch:
        return recipe(sounds.draw(run.batch, generator), backgrounds.draw(run.batch, generator), generator)

    with ThreadPoolExecutor(1, initializer=torch.set_num_threads, initargs=(1,)) as worker:
        coming = worker.submit(prepare)
        for _ in range(run.steps):
            batch, coming = coming.result(), worker.submit(prepare)
            yield batch


def _samplers(material: Material, config: Config) -> tuple[CropSampler, CropSampler]:
    started = time.monotonic()
    behind = [clip for clip in material.train if clip.label in config.data.background]
    shared = (material.labels, material.store, material.teacher, config)
    samplers = (
        CropSampler(material.train, *shared, config.data.class_weights),
        CropSampler(behind, *shared, {}),
    )
    took_s = time.monotonic() - started
    _log.info("%d clips, %d of them backgrounds, ready in %.0f s", len(material.train), len(behind), took_s)
    return samplers


def take_step(steps: torch.optim.Optimizer, loss: Tensor, rate: float) -> float:
    """Step down the gradient of a loss at this learning rate; return the loss."""
    for group in steps.param_groups:
        group["lr"] = rate
    steps.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    steps.step()
    return float(loss.detach())


def _look(model: nn.Module, material: Material, step: int, loss: float) -> None:
    """Log the average precision of each class on the validation part."""
    scored = score_clips(model, material.validation, material.store, _VALIDATION_HOP_FRAMES)
    pooled, truth = scored.pooled(), np.array([clip.label for clip in scored.clips])
    figures = {
        label: average_precision(truth == label, pooled[:, column]) for column, label in enumerate(material.labels)
    }
    mean = float(np.nanmean(list(figures.values())))
    text = " ".join(f"{label} {figure:.2f}" for label, figure in figures.items())
    _log.info("step %d loss %.4f mean AP %.3f: %s", step, loss, mean, text)
