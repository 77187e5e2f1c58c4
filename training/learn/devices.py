"""Device, precision and random state of a run."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

from edge.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from training.config import TrainConfig


def choose_device(name: str, place: int = 0) -> torch.device:
    """Return the device named by `train.device`.

    With several CUDA devices it is that of a process' `place` on this machine. Raises `Unavailable` for a device that
    does not exist.
    """
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(kind for kind, has in there.items() if has)
    if not there[name]:
        msg = f"torch finds no {name} here"
        raise Unavailable(
            msg, where="train.device", remedy=f"use one of auto, {', '.join(k for k in there if there[k])}"
        )
    return torch.device(name, place) if name == "cuda" else torch.device(name)


def choose_half_type(amp: str, device: torch.device) -> torch.dtype | None:
    """Return the 16-bit type of mixed precision, None for 32 bits."""
    if amp == "auto" and device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    return {"bf16": torch.bfloat16, "fp16": torch.float16}.get(amp)


@contextmanager
def set_arithmetic(config: TrainConfig) -> Iterator[None]:
    """Set the run's threads and precision on the CPU, and restore them afterwards.

    They belong to the whole process.
    """
    kinds: list[Any] = [torch.backends.mkldnn.conv, torch.backends.mkldnn.matmul]  # type: ignore[attr-defined]
    threads, before = torch.get_num_threads(), [kind.fp32_precision for kind in kinds]
    torch.set_num_threads(config.threads)
    for kind in kinds:
        kind.fp32_precision = "bf16" if config.bf16 else "ieee"
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        for kind, precision in zip(kinds, before, strict=True):
            kind.fp32_precision = precision


def get_rng_state(device: torch.device) -> Tensor:
    """Return the state of the generator used for dropout on a device."""
    if device.type == "cuda":
        return torch.cuda.get_rng_state(device)
    return torch.mps.get_rng_state() if device.type == "mps" else torch.get_rng_state()


def set_rng_state(device: torch.device, state: Tensor) -> None:
    """Restore a state returned by `get_rng_state`."""
    if device.type == "cuda":
        torch.cuda.set_rng_state(state, device)
    elif device.type == "mps":
        torch.mps.set_rng_state(state)
    else:
        torch.set_rng_state(state)
