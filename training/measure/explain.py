"""Saliency maps by Grad-CAM (Selvaraju et al. 2017)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from edge.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_MAP_AXES = 4


def grad_cam(model: nn.Module, log_mel: NDArray[np.float32], label: int) -> NDArray[np.float32]:
    """Return the saliency of a label in a window, shape (frames, n_mels), 0 to 1.

    `log_mel` is one window, (frames, n_mels); `label` is a column of the logits. The map is the last that still has
    more than one step and more than one band, in the order in which the network computes them: its channels are
    weighted by their mean gradient, summed, cut off at 0, and stretched to the window. All is 0 if nothing supports the
    label. Raises `DataError` for a network without such a map, `ValueError` for a label it does not have.
    """
    was_training = model.training
    model.eval()
    try:
        with torch.enable_grad():
            heat = _compute_heat(model, torch.from_numpy(log_mel)[None].requires_grad_(), label)
    finally:
        model.train(was_training)
    stretched = nn.functional.interpolate(heat[None, None], log_mel.shape, mode="bilinear", align_corners=False)[0, 0]
    highest = stretched.max().clamp_min(torch.finfo(torch.float32).tiny)
    result: NDArray[np.float32] = (stretched / highest).numpy()
    return result


def _compute_heat(model: nn.Module, window: Tensor, label: int) -> Tensor:
    """Return the weighted sum of the last map, (steps, bands), without a gradient."""
    maps: list[Tensor] = []

    def keep(_module: nn.Module, _inputs: object, output: Any) -> None:  # noqa: ANN401 - modules return what they like
        if isinstance(output, Tensor) and output.ndim == _MAP_AXES and min(output.shape[2:]) > 1:
            maps.append(output)

    hooks = [module.register_forward_hook(keep) for module in model.modules() if module is not model]
    try:
        logits: Tensor = model(window)
    finally:
        for hook in hooks:
            hook.remove()
    if not 0 <= label < logits.shape[1]:
        msg = f"label {label}: the network has {logits.shape[1]}"
        raise ValueError(msg)
    if not maps:
        msg = "no map has both time and mel bands, so the network's decision cannot be shown in time"
        raise DataError(msg, where=type(model).__name__)
    (gradient,) = torch.autograd.grad(logits[0, label], maps[-1])
    weight = gradient.mean(dim=(2, 3), keepdim=True)
    return (weight * maps[-1].detach()).sum(dim=1)[0].clamp_min(0.0)
