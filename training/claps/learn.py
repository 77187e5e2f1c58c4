"""Training of the clap network on claps, other onsets and hard other onsets."""

from __future__ import annotations

import copy
import logging
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn.functional import binary_cross_entropy_with_logits
from tqdm import tqdm

from edge.claps.crop import CLAP_FRONT_END
from training.checkpoint import Checkpoint, save_checkpoint
from training.claps.augment import augment_crops
from training.learn.devices import set_arithmetic
from training.learn.optimiser import make_optimiser, take_step, update_average
from training.learn.schedules import learning_rate
from training.models import build_model

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor, nn

    from training.claps.crops import Crops
    from training.config import Config

LABELS = ("clap",)
log = logging.getLogger(__name__)
_CLAPS, _OTHERS = 1 / 3, 7 / 12  # shares of a batch; the rest are hard others
_HARD = 1 / 5  # share of the others that counts as hard: those most similar to claps
_BATCH = 2_048


def train_claps(crops: Crops, config: Config, out: Path) -> Path:
    """Train from scratch; return the path of the checkpoint.

    It is `out`/last.pt and holds the averaged weights. It is written each time hard crops are selected, so an
    interrupted run leaves one.
    """
    out.mkdir(parents=True, exist_ok=True)
    with set_arithmetic(config.train):
        torch.manual_seed(config.train.seed)
        _learn(crops, config, out / "last.pt")
    return out / "last.pt"


@torch.inference_mode()
def predict(model: nn.Module, crops: NDArray[np.float16] | NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the probabilities, shape (n,), of crops (n, window_frames, n_mels)."""
    model.eval()
    parts = (torch.from_numpy(crops[i : i + _BATCH]).float() for i in range(0, len(crops), _BATCH))
    chances = [torch.sigmoid(model(part)[:, 0]).numpy() for part in parts]
    return np.concatenate(chances) if chances else np.empty(0, np.float32)


def _learn(crops: Crops, config: Config, path: Path) -> None:
    run, generator = config.train, torch.Generator().manual_seed(config.train.seed)
    model = build_model(config.model, CLAP_FRONT_END.n_mels, len(LABELS))
    model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # torch has it, its types do not
    average, steps = copy.deepcopy(model), make_optimiser(model, run)
    hard = np.arange(len(crops.others))
    target = _make_targets(run.batch, config.claps.smoothing)
    for step in tqdm(range(run.steps), "train", unit="step", disable=None):
        model.train()
        features = augment_crops(_draw_batch(crops, hard, run.batch, generator), config.claps, generator)
        loss = binary_cross_entropy_with_logits(model(features), target)
        take_step(steps, loss, learning_rate(step, run))
        update_average(average, model, min(run.ema_decay, (step + 1) / (step + 10)))
        if (step + 1) % config.claps.hard_every == 0 or step + 1 == run.steps:
            hard = _find_hardest(average, crops, step + 1, config.claps.on)
            save_checkpoint(path, Checkpoint(average, config, CLAP_FRONT_END, LABELS, step + 1))


def _divide_batch(batch: int) -> tuple[int, int, int]:
    """Return the numbers of claps, others and hard others in a batch."""
    claps, others = round(batch * _CLAPS), round(batch * _OTHERS)
    return claps, others, batch - claps - others


def _make_targets(batch: int, smoothing: float) -> Tensor:
    claps = (torch.arange(batch) < _divide_batch(batch)[0]).float()[:, None]
    return claps * (1.0 - 2.0 * smoothing) + smoothing


def _draw_batch(crops: Crops, hard: NDArray[np.int64], batch: int, generator: torch.Generator) -> Tensor:
    """Draw the crops of a step, claps first, (batch, window_frames, n_mels)."""
    claps, others, harder = _divide_batch(batch)
    drawn = np.concatenate(
        (
            crops.claps[_draw_indices(len(crops.claps), claps, generator)],
            crops.others[_draw_indices(len(crops.others), others, generator)],
            crops.others[hard[_draw_indices(len(hard), harder, generator)]],
        )
    )
    return torch.from_numpy(drawn).float()


def _draw_indices(of: int, count: int, generator: torch.Generator) -> NDArray[np.int64]:
    return np.asarray(torch.randint(of, (count,), generator=generator).numpy(), np.int64)


def _find_hardest(model: nn.Module, crops: Crops, step: int, on: float) -> NDArray[np.int64]:
    """Return the indices of the other crops most similar to claps.

    Also logs the share of claps missed and of others taken for claps.
    """
    chances = predict(model, crops.others)
    missed = float(np.mean(predict(model, crops.claps) < on))
    log.info(
        "step %d: %.2f%% of claps missed, %.3f%% of others let in", step, 100 * missed, 100 * np.mean(chances >= on)
    )
    return np.argsort(-chances, kind="stable")[: max(1, round(len(chances) * _HARD))]
