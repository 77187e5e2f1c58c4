"""One training run: draw, augment, step, average, now and then look."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import json
import logging
import math
from collections import deque
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from tqdm import tqdm

from edge.errors import ConfigError, DataError
from training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from training.data.targets import label_matrix
from training.learn.batches import Batches, placed, preparer
from training.learn.devices import arithmetic, device_of, dice_state, half_of, set_dice_state
from training.learn.interrupts import Interrupted, interrupts
from training.learn.learner import Learner
from training.learn.losses import positive_weights
from training.learn.optimiser import optimiser, take_step, update_average
from training.learn.processes import Processes, processes
from training.learn.resume import RESUME, load_resume, save_resume
from training.learn.runlog import Look, RunLog
from training.learn.schedules import Progress, learning_rate
from training.measure.metrics import average_precision
from training.measure.scoring import score_clips
from training.models import build_model

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor, nn

    from training.augment.batch import Batch
    from training.config import Config
    from training.data.material import Material

LAST, BEST = "last.pt", "best.pt"
_log = logging.getLogger(__name__)
_VALIDATION_HOP_FRAMES = 32


def train(material: Material, config: Config, out: Path, *, resume: bool = False) -> Path:
    """Train from scratch, or go on where a run in `out` ended; return the path of the checkpoint that counts.

    That is `out`/last.pt, the averaged weights of the last step, or `out`/best.pt, those of the best look, where
    `train.patience` may end a run. Beside them lie resume.pt, config.json and log.jsonl. All are written at every look
    at the validation part and when SIGINT or SIGTERM ends the run, which raises `Interrupted`; with `resume` it goes on
    from there, on a CPU to the same numbers. Without a resume.pt it begins.

    Raises `ConfigError` for settings that do not go together or with the material, `DataError` for another run.
    """
    if not material.validation and (config.train.patience or config.train.schedule == "plateau"):
        msg = "train.patience and train.schedule plateau need a validation part, which is empty"
        raise ConfigError(msg, where="config")
    out.mkdir(parents=True, exist_ok=True)
    with arithmetic(config.train), processes() as world, interrupts() as asked:
        run = _Run(material, config, world, out)
        if resume and (out / RESUME).exists():
            run.restore()
        elif world.rank == 0:
            (out / RESUME).unlink(missing_ok=True)  # of another run, that must not be taken for this one's
        run.learn(asked)
    return out / (BEST if config.train.patience else LAST)


class _Run:
    """All that changes from step to step, and the steps."""

    def __init__(self, material: Material, config: Config, world: Processes, out: Path) -> None:
        run, params = config.train, material.store.params
        self._material, self._config, self._world, self._out = material, config, world, out
        self._device = device_of(run.device, world.place)
        self._half = half_of(run.amp, self._device)
        if self._device.type == "cuda":
            torch.cuda.set_device(self._device)
        torch.manual_seed(run.seed)
        model = build_model(config.model, params.n_mels, len(material.labels))
        if run.init:
            _begin_with(model, Path(run.init))
        model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # torch has it, its types do not
        self._average = copy.deepcopy(model).to(self._device)
        n_logits = material.logits.width if material.logits and run.logit_weight else 0
        positive = positive_weights(label_matrix(material.train, material.labels))
        learner = Learner(model, run, positive, n_logits, (params.window_frames, params.n_mels))
        self._learner = learner.to(self._device)
        self._together = world.together(self._learner)
        self._steps = optimiser(self._learner, run)
        self._scaler = torch.amp.GradScaler(self._device.type, enabled=self._half is torch.float16)
        prepare = preparer(material, config, world.share_of(run.batch), pinned=self._device.type == "cuda")
        self._batches = Batches(prepare, run.seed + world.rank * run.workers, run.workers)
        if world.rank:  # equal weights, but each process drops something else
            torch.manual_seed(run.seed + world.rank)
        self._step, self._progress = 0, Progress()
        self._losses: deque[Tensor] = deque(maxlen=run.validate_every)

    def learn(self, asked: Callable[[], bool]) -> None:
        """Take the steps that are left, until they are taken, nothing gets better, or somebody asks to end."""
        run, leads = self._config.train, self._world.rank == 0
        log = RunLog(self._out, self._step) if leads else None
        if log:
            about = {"labels": self._material.labels, "device": str(self._device), "processes": self._world.size}
            log.settings(self._config, about)
        left = range(self._step, self._step if self._progress.over(run) else run.steps)
        bar = tqdm(left, "train", run.steps, initial=self._step, unit="step", disable=None if leads else True)
        with closing(self._batches.following(self._step)) as batches, bar:
            for step, batch in zip(bar, batches, strict=False):
                self._take(step, batch)
                if self._step % run.validate_every == 0 or self._step == run.steps:
                    self._look(log)
                    if self._progress.over(run):
                        _log.info("step %d: no better for %d looks, so this is the end", self._step, run.patience)
                        return
                if self._world.any_of(asked()) and self._step < run.steps:
                    self._keep([LAST])
                    msg = f"stopped at step {self._step} of {run.steps}"
                    raise Interrupted(msg, remedy=f"--resume goes on from {self._out}")

    def restore(self) -> None:
        """Go on from the state in the run's folder; `DataError` when it is of another run."""
        path = self._out / RESUME
        have = load_resume(path, self._config)
        if tuple(have["labels"]) != self._material.labels:
            msg = f"the run had other labels: {', '.join(have['labels'])}"
            raise DataError(msg, where=path)
        # a state that was kept before recordings were noted says nothing of them
        if have.get("recordings", mine := _digest(self._material)) != mine:
            msg = "the run used other recordings, or another division of them"
            raise DataError(msg, where=path, remedy="train from the start in another folder")
        if len(have["batches"]) != self._world.size:
            msg = f"the run used {len(have['batches'])} processes, and now there are {self._world.size}"
            raise DataError(msg, where=path)
        if have["device"] != self._device.type:
            msg = f"the run used {have['device']}, and this is {self._device.type}"
            raise DataError(msg, where=path, remedy="set train.device")
        self._step, self._progress = have["step"], Progress(**have["progress"])
        self._losses.extend(loss.to(self._device) for loss in have["losses"])
        for part, name in self._parts():
            part.load_state_dict(have[name])
        self._batches.set_state(have["batches"][self._world.rank])
        set_dice_state(self._device, have["dice"][self._world.rank].clone())

    def _parts(self) -> list[tuple[Any, str]]:
        return [
            (self._learner, "learner"),
            (self._average, "average"),
            (self._steps, "optimiser"),
            (self._scaler, "scaler"),
        ]

    def _take(self, step: int, batch: Batch) -> None:
        run, model = self._config.train, self._learner.model
        self._learner.train()
        with torch.autocast(self._device.type, self._half, enabled=self._half is not None):
            loss = self._together(placed(batch, self._device))
        rate = learning_rate(step, run, self._progress.cuts)
        self._losses.append(take_step(self._steps, loss, rate, self._scaler))
        update_average(self._average, model, min(run.ema_decay, (step + 1) / (step + 10)))
        self._step = step + 1

    def _look(self, log: RunLog | None) -> None:
        """See how well the averaged network does, log it, and save it."""
        run, mean = self._config.train, 0.0
        if log:
            loss = float(torch.stack(list(self._losses)).double().mean())
            if not math.isfinite(loss):
                msg = f"the loss is {loss}"
                raise ConfigError(
                    msg, where=f"step {self._step}", remedy="try a smaller train.lr or longer train.warmup_steps"
                )
            rate = learning_rate(self._step - 1, run, self._progress.cuts)
            figures = validation_figures(self._shown(), self._material)
            known = [figure for figure in figures.values() if not math.isnan(figure)]
            mean = float(np.mean(known)) if known else float("nan")
            log.add(Look(self._step, loss, rate, mean, figures))
            text = " ".join(f"{label} {figure:.2f}" for label, figure in figures.items())
            _log.info("step %d loss %.4f mean AP %.3f: %s", self._step, loss, mean, text)
        mean = self._world.told(mean)
        better = mean > self._progress.best
        self._progress = self._progress.looked(mean, run)
        self._keep([LAST, BEST] if better else [LAST])

    def _shown(self) -> nn.Module:
        """Return the averaged network where the CPU can look at it."""
        shown: nn.Module = copy.deepcopy(self._average).cpu()
        return shown

    def _keep(self, names: Sequence[str]) -> None:
        """Write the averaged network under some names, and what the run needs to go on."""
        batches = self._world.gathered(self._batches.state())
        dice = self._world.gathered(dice_state(self._device))
        if self._world.rank:
            return
        params, labels = self._material.store.params, self._material.labels
        for name in names:
            save_checkpoint(self._out / name, Checkpoint(self._shown(), self._config, params, labels, self._step))
        values = {name: part.state_dict() for part, name in self._parts()}
        values |= {"labels": list(labels), "step": self._step, "progress": dataclasses.asdict(self._progress)}
        values |= {"losses": list(self._losses), "batches": batches, "dice": dice, "device": self._device.type}
        values["recordings"] = _digest(self._material)
        save_resume(self._out / RESUME, self._config, values)


def _digest(material: Material) -> str:
    """Return what tells apart the recordings of two runs: a fold's network must not pass for another fold's."""
    parts = [[clip.file for clip in part] for part in (material.train, material.validation)]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _begin_with(model: nn.Module, path: Path) -> None:
    """Take the weights of a checkpoint that have the same name and shape: all but the last layer, for other labels."""
    have, mine = load_checkpoint(path).model.state_dict(), model.state_dict()
    fitting = {name: value for name, value in have.items() if name in mine and mine[name].shape == value.shape}
    if not fitting:
        msg = f"no weight of {path} fits the network"
        raise ConfigError(msg, where="config: train.init")
    _log.info("%d of %d weights are those of %s", len(fitting), len(mine), path)
    model.load_state_dict(mine | fitting)


def validation_figures(model: nn.Module, material: Material) -> dict[str, float]:
    """Return the average precision of each label on the validation part; NaN for a label without a clip there."""
    if not material.validation:
        return {}
    scored = score_clips(model, material.validation, material.store, _VALIDATION_HOP_FRAMES)
    pooled, holds = scored.pooled(), label_matrix(scored.clips, material.labels)
    columns = enumerate(material.labels)
    return {label: average_precision(holds[:, column], pooled[:, column]) for column, label in columns}
