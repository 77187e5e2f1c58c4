"""Whole runs on a tiny dataset: all losses, interrupted and resumed, in one process and in two."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from edge.errors import ConfigError, DataError
from tests.support.recordings import made_up
from tests.support.runs import LABELS, config, make_dataset, signal_at_validation
from training.__main__ import main as training_main
from training.checkpoint import load_checkpoint, read_values, write_values
from training.learn import engine
from training.learn.batches import Batches, make_preparer
from training.learn.devices import set_arithmetic
from training.learn.engine import train
from training.learn.interrupts import Interrupted
from training.learn.processes import Processes
from training.learn.resume import load_resume

ROOT = Path(__file__).parents[3]
RECIPE = ROOT / "tests" / "support" / "small.toml"


def read_validations(out: Path) -> list[dict[str, Any]]:
    """Return the validations that a run has logged."""
    return [json.loads(line) for line in (out / "log.jsonl").read_text("utf-8").splitlines()]


def weights(path: Path) -> list[torch.Tensor]:
    return list(load_checkpoint(path).model.state_dict().values())


def same(one: Path, other: Path) -> bool:
    return all(torch.equal(a, b) for a, b in zip(weights(one), weights(other), strict=True))


@pytest.mark.parametrize(
    "settings",
    [
        {"loss": "weighted-bce", "schedule": "constant"},
        {"loss": "focal", "workers": 2},
        {"loss": "cross-entropy", "label_smoothing": 0.1, "schedule": "plateau"},
        {"loss": "hybrid", "logit_weight": 0.5},
        {"loss": "hybrid-bce", "amp": "bf16"},
        {"amp": "fp16"},
    ],
    ids=lambda settings: "-".join(map(str, settings.values())),
)
def test_every_way_of_learning_learns(settings: dict[str, Any], tmp_path: Path) -> None:
    """The loss falls, and the checkpoint has the network alone."""
    out = train(make_dataset(), config(steps=40, validate_every=20, lr=0.01, **settings), tmp_path)
    first, last = read_validations(tmp_path)
    checkpoint = load_checkpoint(out)
    assert last["loss"] < first["loss"]
    assert (checkpoint.step, checkpoint.labels) == (40, LABELS)
    assert checkpoint.model(torch.zeros(1, 96, 64)).shape == (1, 3)


def test_a_run_is_logged(tmp_path: Path) -> None:
    """Its settings and versions, and each validation's step, loss, rate and figures are logged."""
    train(make_dataset(), config(), tmp_path)
    settings = json.loads((tmp_path / "config.json").read_text("utf-8"))
    assert settings["config"] == json.loads(json.dumps(config().to_dict()))
    assert (settings["labels"], settings["device"], settings["processes"]) == (list(LABELS), "cpu", 1)
    assert settings["versions"]["torch"] == torch.__version__
    assert [look["step"] for look in read_validations(tmp_path)] == [2, 4, 6]
    assert set(read_validations(tmp_path)[0]) == {"step", "loss", "lr", "mean_ap", "ap"}
    assert set(read_validations(tmp_path)[0]["ap"]) == set(LABELS)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_resumed_run_is_equal_bit_for_bit(
    number: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights, figures and log equal those of an uninterrupted run: dropout, batches, average and rate continue."""
    settings = config(schedule="plateau", plateau_patience=0, logit_weight=0.5, workers=2)
    whole, ended = tmp_path / "whole", tmp_path / "ended"
    train(make_dataset(), settings, whole)
    signal_at_validation(monkeypatch, number)
    with pytest.raises(Interrupted, match=r"stopped at step 2 of 6; --resume goes on from .*ended"):
        train(make_dataset(), settings, ended)
    assert load_checkpoint(ended / "last.pt").step == 2
    train(make_dataset(), settings, ended, resume=True)
    assert same(whole / "last.pt", ended / "last.pt")
    assert read_validations(whole) == read_validations(ended)


def test_a_run_ended_between_validations_keeps_its_last_step(tmp_path: Path) -> None:
    """The run resumes from the step of the request, and the loss of the next validation is of both parts."""
    whole, ended, asked = tmp_path / "whole", tmp_path / "ended", iter([False, False, True])
    train(make_dataset(), config(), whole)
    for folder in (ended, whole):
        folder.mkdir(exist_ok=True)
    with set_arithmetic(config().train), pytest.raises(Interrupted, match="step 3 of 6"):
        engine._Run(make_dataset(), config(), Processes(), ended).learn(lambda: next(asked))
    train(make_dataset(), config(), ended, resume=True)
    assert same(whole / "last.pt", ended / "last.pt")
    assert read_validations(whole) == read_validations(ended)


def test_a_finished_run_is_not_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Resuming it returns its checkpoint."""
    path = train(make_dataset(), config(), tmp_path)
    monkeypatch.setattr(engine, "take_step", None)
    assert train(make_dataset(), config(), tmp_path, resume=True) == path
    assert len(read_validations(tmp_path)) == 3


def test_a_new_run_forgets_the_old_one(tmp_path: Path) -> None:
    """Without `resume` the folder's log and state are those of the new run alone."""
    train(make_dataset(), config(), tmp_path)
    train(make_dataset(), config(steps=2), tmp_path)
    assert [look["step"] for look in read_validations(tmp_path)] == [2]
    assert load_resume(tmp_path / "resume.pt", config(steps=2))["step"] == 2


def test_a_run_on_other_labels_is_not_resumed(tmp_path: Path) -> None:
    """Recordings with other labels are an error that names the run's."""
    train(make_dataset(), config(steps=2), tmp_path)
    other = dataclasses.replace(make_dataset(), labels=("background", "clap", "siren", "train"))
    with pytest.raises(DataError, match=r"other labels: background, clap, siren$"):
        train(other, config(steps=2), tmp_path, resume=True)


def test_a_run_on_other_recordings_is_not_resumed(tmp_path: Path) -> None:
    """The recordings of one fold may be held out by another; a state without recordings is accepted."""
    train(make_dataset(), config(steps=2), tmp_path)
    other = dataclasses.replace(make_dataset(), train=make_dataset().train[:9])
    with pytest.raises(DataError, match=r"resume\.pt: the run used other recordings"):
        train(other, config(steps=2), tmp_path, resume=True)
    values = read_values(tmp_path / "resume.pt", 1, "the state of a run")
    values.pop("recordings")
    write_values(tmp_path / "resume.pt", values)
    assert train(other, config(steps=2), tmp_path, resume=True) == tmp_path / "last.pt"


def test_patience_ends_a_run_with_its_best_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After two validations without improvement the run ends, and the best checkpoint counts."""
    shown = iter([0.3, 0.5, 0.4, 0.5, 0.9])
    monkeypatch.setattr(engine, "validate", lambda *_: {"siren": next(shown)})
    path = train(make_dataset(), config(steps=20, patience=2), tmp_path)
    assert path == tmp_path / "best.pt"
    assert load_checkpoint(path).step == 4
    assert load_checkpoint(tmp_path / "last.pt").step == 8
    assert [look["mean_ap"] for look in read_validations(tmp_path)] == [0.3, 0.5, 0.4, 0.5]
    train(make_dataset(), config(steps=20, patience=2), tmp_path, resume=True)
    assert load_checkpoint(tmp_path / "last.pt").step == 8


def test_early_stopping_needs_a_validation_part(tmp_path: Path) -> None:
    """A run goes to its last step and logs no figure; early stopping is refused at once."""
    alone = dataclasses.replace(make_dataset(), validation=[])
    train(alone, config(steps=2), tmp_path)
    assert read_validations(tmp_path)[0]["mean_ap"] is None
    with pytest.raises(ConfigError, match="need a validation part"):
        train(alone, config(steps=2, patience=1), tmp_path)


def test_a_loss_that_is_no_number_ends_a_run(tmp_path: Path) -> None:
    """The message has the step and settings to try."""
    with pytest.raises(ConfigError, match=r"step \d+: the loss is (nan|inf).*train\.lr"):
        train(make_dataset(), config(lr=1e30, warmup_steps=0, bf16=False), tmp_path)


@pytest.mark.parametrize("workers", [1, 3])
def test_batches_go_on_from_a_state(workers: int) -> None:
    """The batches after a saved state do not depend on the speed of the threads."""
    settings = config()
    prepare = make_preparer(make_dataset(), settings, 4, pinned=False)
    first, second = Batches(prepare, 3, workers), Batches(prepare, 99, workers)
    coming = first.iterate(0)
    for _ in range(4):
        next(coming)
    second.set_state(first.get_state())
    after = second.iterate(4)
    for _ in range(4):
        assert torch.equal(next(coming).features, next(after).features)


def test_a_contrastive_batch_holds_two_views_of_each_sound() -> None:
    """Half as many sounds are drawn, each augmented twice; an odd number is refused."""
    settings = config(loss="hybrid")
    quiet = dataclasses.replace(settings.augment, p_background=0.0, p_mixup=0.0, p_silence=0.0)
    settings = dataclasses.replace(settings, augment=quiet)
    batch = make_preparer(make_dataset(), settings, 8, pinned=False)(torch.Generator().manual_seed(1))
    assert batch.features.shape == (8, 96, 64)
    assert torch.equal(batch.target[:4], batch.target[4:])
    assert not torch.equal(batch.features[:4], batch.features[4:])
    with pytest.raises(ConfigError, match="a process has 7 samples a step"):
        make_preparer(make_dataset(), settings, 7, pinned=False)


def test_two_processes_learn_together(tmp_path: Path) -> None:
    """Under torchrun both draw batches of their own, and one of them logs and saves the network they share."""
    (tmp_path / "data").mkdir()
    made_up(tmp_path / "data")
    sets = ["train.steps=4", "train.validate_every=2", "train.loss=hybrid"]
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "training"]
    command += ["train", "--config", str(RECIPE), "--out", str(tmp_path / "out"), "--data", str(tmp_path / "data")]
    command += ["--cache", str(tmp_path / "cache"), *(f"--set={item}" for item in sets)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    state = read_values(tmp_path / "out" / "resume.pt", 1, "the state of a run")
    assert [look["step"] for look in read_validations(tmp_path / "out")] == [2, 4]
    assert json.loads((tmp_path / "out" / "config.json").read_text("utf-8"))["processes"] == 2
    assert len(state["batches"]) == 2
    assert not torch.equal(state["batches"][0], state["batches"][1])
    assert done.stderr.count("step 4 loss") == 1
    alone = ["train", "--config", str(RECIPE), "--out", str(tmp_path / "alone"), "--data", str(tmp_path / "data")]
    half = ["--cache", str(tmp_path / "cache"), *(f"--set={item}" for item in [*sets, "train.batch=8"])]
    assert training_main([*alone, *half]) == 0
    assert not same(tmp_path / "alone" / "last.pt", tmp_path / "out" / "last.pt"), "it learnt from its own half only"
