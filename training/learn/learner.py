"""A network with the layers that are used in training only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from training.learn.contrastive import PROJECTED, supervised_contrastive
from training.learn.embedding import embed, measure_embedding_width
from training.learn.losses import CONTRASTIVE, label_and_teacher_loss, logit_loss

if TYPE_CHECKING:
    from torch import Tensor

    from training.augment.batch import Batch
    from training.config import TrainConfig


class Learner(nn.Module):
    """A network with its loss.

    It has a layer that predicts another teacher's logits from the embedding, and a projection for the contrastive loss,
    if they are needed.
    """

    positive: Tensor

    def __init__(
        self, model: nn.Module, config: TrainConfig, positive: Tensor, n_logits: int, window: tuple[int, int]
    ) -> None:
        """Add the layers that the loss needs.

        These are one of `n_logits` unless they are 0, and the projection for a hybrid loss. `positive` is the result of
        `compute_positive_weights`, `window` is (frames, mels). Raises `ConfigError` for a network without an embedding
        where one is needed.
        """
        super().__init__()
        self.model, self._config = model, config
        self.register_buffer("positive", positive, persistent=False)
        contrasts = config.loss in CONTRASTIVE
        width = measure_embedding_width(model, window) if n_logits or contrasts else 0
        self.guess = nn.Linear(width, n_logits) if n_logits else None
        self.project = nn.Linear(width, PROJECTED) if contrasts else None

    def forward(self, batch: Batch) -> Tensor:
        """Return the loss of a batch."""
        config = self._config
        if self.guess is None and self.project is None:
            return self._compute_label_loss(self.model(batch.features), batch)
        logits, embedding = embed(self.model, batch.features)
        loss = self._compute_label_loss(logits, batch)
        if self.project is not None:
            apart = supervised_contrastive(self.project(embedding), batch.target, config.temperature)
            loss = config.contrast_weight * apart + (1.0 - config.contrast_weight) * loss
        if self.guess is not None:
            loss = loss + config.logit_weight * logit_loss(self.guess(embedding).float(), batch)
        return loss

    def _compute_label_loss(self, logits: Tensor, batch: Batch) -> Tensor:
        return label_and_teacher_loss(logits.float(), batch, self._config, self.positive)
