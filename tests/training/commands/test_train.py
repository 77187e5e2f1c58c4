"""`python -m training train`, ended by a signal and resumed."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.support.recordings import made_up
from tests.support.runs import signal_at_validation
from training.__main__ import main
from training.checkpoint import load_checkpoint

RECIPE = Path(__file__).parents[2] / "support" / "small.toml"


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    """Return a command that trains for 4 steps and validates after 2."""
    (tmp_path / "data").mkdir()
    made_up(tmp_path / "data")
    sets = ["train.steps=4", "train.validate_every=2"]
    places = ["--data", str(tmp_path / "data"), "--cache", str(tmp_path / "cache"), "--out", str(tmp_path / "out")]
    return ["train", "--config", str(RECIPE), *places, *(f"--set={item}" for item in sets)]


def test_a_run_is_ended_and_resumed(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """SIGTERM ends it with one line and status 75; `--resume` takes the remaining steps."""
    signal_at_validation(monkeypatch, signal.SIGTERM)
    assert main(command) == 75
    assert "stopped at step 2 of 4; --resume goes on" in capsys.readouterr().err
    assert main([*command, "--resume"]) == 0
    assert load_checkpoint(tmp_path / "out" / "last.pt").step == 4


def test_going_on_with_other_settings_is_one_clear_line(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Status 65 and the setting that differs; the device is free to choose."""
    assert main([*command, "--device", "cpu"]) == 0
    assert main([*command, "--resume"]) == 0
    assert main([*command, "--resume", "--set", "train.lr=0.5"]) == 65
    assert "train.lr was 0.01 and is 0.5" in capsys.readouterr().err


def test_a_device_that_is_not_there_is_one_clear_line(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Status 69, and the available devices."""
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert main([*command, "--device", "cuda"]) == 69
    assert "torch finds no cuda here" in capsys.readouterr().err
