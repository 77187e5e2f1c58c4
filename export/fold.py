"""Batch norms folded into the convolutions before them."""

from __future__ import annotations

import copy
import itertools

import torch
from torch import Tensor, nn


def folded(model: nn.Module) -> nn.Module:
    """Return a copy of a trained network that computes the same without a batch norm after any convolution.

    Only a norm that directly follows its convolution in an `nn.Sequential` is folded. Raises `ValueError` when a
    batch norm is left over: it would be paid for at every window.
    """
    model = copy.deepcopy(model).eval()
    for parent in [module for module in model.modules() if isinstance(module, nn.Sequential)]:
        _fold_children(parent)
    if any(isinstance(module, nn.BatchNorm2d) for module in model.modules()):
        msg = "a batch norm does not follow a convolution in a Sequential: it cannot be folded"
        raise ValueError(msg)
    return model


def _fold_children(parent: nn.Sequential) -> None:
    layers = list(parent)
    for index, (first, second) in enumerate(itertools.pairwise(layers)):
        if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
            parent[index] = fold_pair(first, second)
            parent[index + 1] = nn.Identity()


@torch.no_grad()
def fold_pair(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> nn.Conv2d:
    """Return one convolution that computes what `norm(conv(x))` does in evaluation.

    The norm is ``gamma * (y - mean) / sqrt(variance + eps) + beta``: a factor for each output channel's kernel, and
    a bias. It is worked out in 64 bits.
    """
    mean, variance, gamma, beta = _statistics(norm)
    factor = gamma / torch.sqrt(variance + norm.eps)
    bias = conv.bias.double() if conv.bias is not None else torch.zeros_like(mean)
    new = copy.deepcopy(conv)
    new.weight = nn.Parameter((conv.weight.double() * factor[:, None, None, None]).float())
    new.bias = nn.Parameter(((bias - mean) * factor + beta).float())
    return new


def _statistics(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    if norm.running_mean is None or norm.running_var is None:
        msg = "a batch norm without running statistics cannot be folded"
        raise ValueError(msg)
    return norm.running_mean.double(), norm.running_var.double(), norm.weight.double(), norm.bias.double()
