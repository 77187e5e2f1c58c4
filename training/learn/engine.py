"""One training run: batches, steps, averaged weights and validation."""

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
from training.data.targets import build_label_matrix
from training.learn.batches import Batches, make_preparer, move_batch
from training.learn.devices import choose_device, choose_half_type, get_rng_state, set_arithmetic, set_rng_state
from training.learn.interrupts import Interrupted, catch_signals
from training.learn.learner import Learner
from training.learn.losses import compute_positive_weights
from training.learn.optimiser import make_optimiser, take_step, update_average
from training.learn.processes import Processes, join_processes
from training.learn.resume import RESUME, load_resume, save_resume
from training.learn.runlog import RunLog, Validation
from training.learn.schedules import Progress, learning_rate
from training.measure.metrics import average_precision
from training.measure.scoring import score_clips
from training.models import build_model

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor, nn

    from training.augment.batch import Batch
    from training.config import Config
    from training.data.dataset import Dataset

LAST, BEST = "last.pt", "best.pt"
log = logging.getLogger(__name__)
_VALIDATION_HOP_FRAMES = 32


def train(dataset: Dataset, config: Config, out: Path, *, resume: bool = False) -> Path:
    """Train from scratch, or resume the run in `out`; return the final checkpoint.

    That is `out`/last.pt, the averaged weights of the last step, or `out`/best.pt, those of the best validation, if
    `train.patience` may end a run. Beside them lie resume.pt, config.json and log.jsonl. All are written at every
    validation and when SIGINT or SIGTERM ends the run, which raises `Interrupted`; with `resume` it goes on from there,
    on a CPU to the same numbers. Without a resume.pt it starts from scratch.

    Raises `ConfigError` for settings that do not fit each other or the dataset, `DataError` for another run.
    """
    if not dataset.validation and (config.train.patience or config.train.schedule == "plateau"):
        msg = "train.patience and train.schedule plateau need a validation part, which is empty"
        raise ConfigError(msg, where="config")
    out.mkdir(parents=True, exist_ok=True)
    with set_arithmetic(config.train), join_processes() as processes, catch_signals() as should_stop:
        run = _Run(dataset, config, processes, out)
        if resume and (out / RESUME).exists():
            run.restore()
        elif processes.rank == 0:
            (out / RESUME).unlink(missing_ok=True)  # the state of another run
        run.learn(should_stop)
    return out / (BEST if config.train.patience else LAST)


class _Run:
    """The state of a run and its steps."""

    def __init__(self, dataset: Dataset, config: Config, processes: Processes, out: Path) -> None:
        run, params = config.train, dataset.store.params
        self._dataset, self._config, self._processes, self._out = dataset, config, processes, out
        self._device = choose_device(run.device, processes.place)
        self._half = choose_half_type(run.amp, self._device)
        if self._device.type == "cuda":
            torch.cuda.set_device(self._device)
        torch.manual_seed(run.seed)
        model = build_model(config.model, params.n_mels, len(dataset.labels))
        if run.init:
            _load_matching_weights(model, Path(run.init))
        model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # torch has it, its types do not
        self._average = copy.deepcopy(model).to(self._device)
        n_logits = dataset.logits.width if dataset.logits and run.logit_weight else 0
        positive = compute_positive_weights(build_label_matrix(dataset.train, dataset.labels))
        learner = Learner(model, run, positive, n_logits, (params.window_frames, params.n_mels))
        self._learner = learner.to(self._device)
        self._parallel = processes.wrap(self._learner)
        self._steps = make_optimiser(self._learner, run)
        self._scaler = torch.amp.GradScaler(self._device.type, enabled=self._half is torch.float16)
        prepare = make_preparer(dataset, config, processes.divide_batch(run.batch), pinned=self._device.type == "cuda")
        self._batches = Batches(prepare, run.seed + processes.rank * run.workers, run.workers)
        if processes.rank:  # equal weights, but another dropout in each process
            torch.manual_seed(run.seed + processes.rank)
        self._step, self._progress = 0, Progress()
        self._losses: deque[Tensor] = deque(maxlen=run.validate_every)

    def learn(self, should_stop: Callable[[], bool]) -> None:
        """Take the remaining steps.

        The run ends after the last step, without further improvement, or when `should_stop` returns true.
        """
        run, leads = self._config.train, self._processes.rank == 0
        run_log = RunLog(self._out, self._step) if leads else None
        if run_log:
            about = {"labels": self._dataset.labels, "device": str(self._device), "processes": self._processes.size}
            run_log.write_settings(self._config, about)
        left = range(self._step, self._step if self._progress.is_over(run) else run.steps)
        bar = tqdm(left, "train", run.steps, initial=self._step, unit="step", disable=None if leads else True)
        with closing(self._batches.iterate(self._step)) as batches, bar:
            for step, batch in zip(bar, batches, strict=False):
                self._take_step(step, batch)
                if self._step % run.validate_every == 0 or self._step == run.steps:
                    self._validate(run_log)
                    if self._progress.is_over(run):
                        log.info("step %d: no improvement in %d validations, run ends", self._step, run.patience)
                        return
                if self._processes.reduce_any(should_stop()) and self._step < run.steps:
                    self._save([LAST])
                    msg = f"stopped at step {self._step} of {run.steps}"
                    raise Interrupted(msg, remedy=f"--resume goes on from {self._out}")

    def restore(self) -> None:
        """Restore the state in the run's folder; raise `DataError` for another run."""
        path = self._out / RESUME
        have = load_resume(path, self._config)
        if tuple(have["labels"]) != self._dataset.labels:
            msg = f"the run had other labels: {', '.join(have['labels'])}"
            raise DataError(msg, where=path)
        # states of older versions have no recordings
        if have.get("recordings", mine := _hash_recordings(self._dataset)) != mine:
            msg = "the run used other recordings, or another division of them"
            raise DataError(msg, where=path, remedy="train from the start in another folder")
        if len(have["batches"]) != self._processes.size:
            msg = f"the run used {len(have['batches'])} processes, and now there are {self._processes.size}"
            raise DataError(msg, where=path)
        if have["device"] != self._device.type:
            msg = f"the run used {have['device']}, and this is {self._device.type}"
            raise DataError(msg, where=path, remedy="set train.device")
        self._step, self._progress = have["step"], Progress(**have["progress"])
        self._losses.extend(loss.to(self._device) for loss in have["losses"])
        for part, name in self._list_parts():
            part.load_state_dict(have[name])
        self._batches.set_state(have["batches"][self._processes.rank])
        set_rng_state(self._device, have["dice"][self._processes.rank].clone())

    def _list_parts(self) -> list[tuple[Any, str]]:
        return [
            (self._learner, "learner"),
            (self._average, "average"),
            (self._steps, "optimiser"),
            (self._scaler, "scaler"),
        ]

    def _take_step(self, step: int, batch: Batch) -> None:
        run, model = self._config.train, self._learner.model
        self._learner.train()
        with torch.autocast(self._device.type, self._half, enabled=self._half is not None):
            loss = self._parallel(move_batch(batch, self._device))
        rate = learning_rate(step, run, self._progress.cuts)
        self._losses.append(take_step(self._steps, loss, rate, self._scaler))
        update_average(self._average, model, min(run.ema_decay, (step + 1) / (step + 10)))
        self._step = step + 1

    def _validate(self, run_log: RunLog | None) -> None:
        """Validate the averaged network, log the figures, and save it."""
        run, mean = self._config.train, 0.0
        if run_log:
            loss = float(torch.stack(list(self._losses)).double().mean())
            if not math.isfinite(loss):
                msg = f"the loss is {loss}"
                raise ConfigError(
                    msg, where=f"step {self._step}", remedy="try a smaller train.lr or longer train.warmup_steps"
                )
            rate = learning_rate(self._step - 1, run, self._progress.cuts)
            figures = validate(self._copy_average(), self._dataset)
            known = [figure for figure in figures.values() if not math.isnan(figure)]
            mean = float(np.mean(known)) if known else float("nan")
            run_log.add(Validation(self._step, loss, rate, mean, figures))
            text = " ".join(f"{label} {figure:.2f}" for label, figure in figures.items())
            log.info("step %d loss %.4f mean AP %.3f: %s", self._step, loss, mean, text)
        mean = self._processes.broadcast(mean)
        better = mean > self._progress.best
        self._progress = self._progress.update(mean, run)
        self._save([LAST, BEST] if better else [LAST])

    def _copy_average(self) -> nn.Module:
        """Copy the averaged network to the CPU."""
        shown: nn.Module = copy.deepcopy(self._average).cpu()
        return shown

    def _save(self, names: Sequence[str]) -> None:
        """Save the averaged network under some names, and the state of the run."""
        batches = self._processes.gather(self._batches.get_state())
        rng_states = self._processes.gather(get_rng_state(self._device))
        if self._processes.rank:
            return
        params, labels = self._dataset.store.params, self._dataset.labels
        for name in names:
            save_checkpoint(
                self._out / name, Checkpoint(self._copy_average(), self._config, params, labels, self._step)
            )
        values = {name: part.state_dict() for part, name in self._list_parts()}
        values |= {"labels": list(labels), "step": self._step, "progress": dataclasses.asdict(self._progress)}
        values |= {"losses": list(self._losses), "batches": batches, "dice": rng_states, "device": self._device.type}
        values["recordings"] = _hash_recordings(self._dataset)
        save_resume(self._out / RESUME, self._config, values)


def _hash_recordings(dataset: Dataset) -> str:
    """Return a digest of the recordings of a run.

    It prevents that a run resumes the network of another fold.
    """
    parts = [[clip.file for clip in part] for part in (dataset.train, dataset.validation)]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _load_matching_weights(model: nn.Module, path: Path) -> None:
    """Load the weights of a checkpoint that have the same name and shape.

    With other labels these are all but the last layer.
    """
    have, mine = load_checkpoint(path).model.state_dict(), model.state_dict()
    fitting = {name: value for name, value in have.items() if name in mine and mine[name].shape == value.shape}
    if not fitting:
        msg = f"no weight of {path} fits the network"
        raise ConfigError(msg, where="config: train.init")
    log.info("%d of %d weights are those of %s", len(fitting), len(mine), path)
    model.load_state_dict(mine | fitting)


def validate(model: nn.Module, dataset: Dataset) -> dict[str, float]:
    """Return the average precision of each label on the validation part.

    It is NaN for a label without a clip there.
    """
    if not dataset.validation:
        return {}
    scored = score_clips(model, dataset.validation, dataset.store, _VALIDATION_HOP_FRAMES)
    pooled, holds = scored.pool(), build_label_matrix(scored.clips, dataset.labels)
    columns = enumerate(dataset.labels)
    return {label: average_precision(holds[:, column], pooled[:, column]) for column, label in columns}
