"""Learning-rate schedules and early stopping."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from training.config import TrainConfig


@dataclasses.dataclass(frozen=True, slots=True)
class Progress:
    """Progress on the validation part."""

    best: float = -math.inf
    """The highest mean average precision."""
    waited: int = 0
    """Validations since then."""
    stale: int = 0
    """Validations since then, or since the last cut of the rate."""
    cuts: int = 0
    """Number of cuts of the rate."""

    def update(self, figure: float, config: TrainConfig) -> Progress:
        """Return the progress after a validation with this mean average precision.

        NaN is no improvement.
        """
        if figure > self.best:
            return Progress(figure, cuts=self.cuts)
        cut = config.schedule == "plateau" and self.stale >= config.plateau_patience
        return Progress(self.best, self.waited + 1, 0 if cut else self.stale + 1, self.cuts + cut)

    def is_over(self, config: TrainConfig) -> bool:
        """Return whether a run ends before its last step."""
        return 0 < config.patience <= self.waited


def learning_rate(step: int, config: TrainConfig, cuts: int = 0) -> float:
    """Return the learning rate of a step.

    It rises linearly, then follows `config.schedule`. `cosine` is half a cosine down to 0 (Loshchilov & Hutter 2017);
    `plateau` has been cut `cuts` times.
    """
    if step < config.warmup_steps:
        return config.lr * (step + 1) / config.warmup_steps
    if config.schedule != "cosine":
        return config.lr * config.plateau_factor**cuts
    done = (step - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
    return config.lr * 0.5 * (1.0 + math.cos(math.pi * done))
