"""How the rate goes, and when a run ends."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch.optim.lr_scheduler import ReduceLROnPlateau

from edge.errors import ConfigError
from training.config import TrainConfig
from training.learn.schedules import Progress, learning_rate


def test_the_rate_rises_and_falls() -> None:
    """A straight rise to the full rate, then half a cosine to nothing."""
    config = TrainConfig(steps=1000, warmup_steps=100, lr=1.0)
    assert learning_rate(0, config) == pytest.approx(0.01)
    assert learning_rate(99, config) == learning_rate(100, config) == pytest.approx(1.0)
    assert learning_rate(550, config) == pytest.approx(0.5)
    assert learning_rate(999, config) < 1e-4


@pytest.mark.parametrize("schedule", ["constant", "plateau"])
def test_other_schedules_rise_too(schedule: str) -> None:
    """The rise is the same, and then the rate stays; each cut of a plateau takes its share."""
    config = TrainConfig(steps=1000, warmup_steps=100, lr=1.0, schedule=schedule, plateau_factor=0.1)
    assert learning_rate(0, config) == pytest.approx(0.01)
    assert learning_rate(100, config) == learning_rate(999, config) == 1.0
    assert learning_rate(999, config, cuts=2) == pytest.approx(0.01)


FIGURES = [0.1, 0.3, 0.2, 0.3, 0.29, 0.31, 0.1, 0.1, math.nan, 0.2, 0.1, 0.1, 0.4, 0.1, 0.2, 0.3]


@pytest.mark.parametrize("patience", [0, 1, 3])
def test_a_plateau_is_where_torch_finds_one(patience: int) -> None:
    """After every validation the rate is that of `ReduceLROnPlateau`."""
    config = TrainConfig(schedule="plateau", warmup_steps=0, lr=1.0, plateau_patience=patience, plateau_factor=0.5)
    steps = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    slow = ReduceLROnPlateau(steps, "max", factor=0.5, patience=patience, threshold=0.0, eps=0.0)
    progress = Progress()
    for figure in FIGURES:
        slow.step(figure)
        progress = progress.update(figure, config)
        assert learning_rate(9, config, progress.cuts) == steps.param_groups[0]["lr"], figure


def test_patience_counts_validations_since_the_best() -> None:
    """The run ends after so many validations without improvement, independent of the rate, and not at all for 0."""
    config = TrainConfig(schedule="plateau", plateau_patience=0, patience=2)
    seen = Progress().update(0.5, config).update(0.4, config)
    assert not seen.is_over(config)
    assert seen.update(0.6, config).update(0.5, config).is_over(config) is False
    last = seen.update(math.nan, config)
    assert last.is_over(config)
    assert (last.best, last.waited, last.cuts) == (0.5, 2, 2)
    assert not last.is_over(TrainConfig())


@pytest.mark.parametrize(
    ("setting", "value"), [("loss", "mse"), ("schedule", "step"), ("device", "gpu"), ("amp", "on"), ("workers", 0)]
)
def test_settings_that_make_no_run_are_named(setting: str, value: Any) -> None:
    """An unknown choice or a count of 0 is an error with the setting's name."""
    with pytest.raises(ConfigError, match=rf"config: train\.{setting}: '?{value}'? (is unknown|must be)"):
        TrainConfig(**{setting: value})
