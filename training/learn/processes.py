"""The processes that learn one network together: one, or as many as torchrun has started."""

from __future__ import annotations

import dataclasses
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import distributed
from torch.nn.parallel import DistributedDataParallel

from edge.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor, nn


@dataclasses.dataclass(frozen=True, slots=True)
class Processes:
    """This process among its like; every method is called by all of them at the same step."""

    rank: int = 0
    """Number of this one; 0 looks, logs and saves."""
    size: int = 1
    place: int = 0
    """Number of this one on its machine."""

    def share_of(self, batch: int) -> int:
        """Return this process' part of a batch; raises `ConfigError` when it cannot be divided."""
        if batch % self.size:
            msg = f"{batch} cannot be divided by {self.size} processes"
            raise ConfigError(msg, where="config: train.batch")
        return batch // self.size

    def together(self, learner: nn.Module) -> nn.Module:
        """Return a module whose gradients are the mean over all processes; `ConfigError` on MPS, which cannot."""
        if self.size == 1:
            return learner
        if any(weight.device.type == "mps" for weight in learner.parameters()):
            msg = "mps trains in one process only"
            raise ConfigError(msg, where="train.device", remedy="start it without torchrun, or use cpu")
        return DistributedDataParallel(learner)

    def told(self, figure: float) -> float:
        """Return the figure that process 0 has."""
        if self.size == 1:
            return figure
        known = torch.tensor(figure, dtype=torch.float64)
        distributed.broadcast(known, 0)
        return known.item()

    def any_of(self, said: bool) -> bool:  # noqa: FBT001 - what a process says
        """Return whether any process says so."""
        if self.size == 1:
            return said
        known = torch.tensor(said, dtype=torch.uint8)
        distributed.all_reduce(known, distributed.ReduceOp.MAX)
        return bool(known.item())

    def gathered(self, mine: Tensor) -> Tensor:
        """Return what every process has, on the CPU and of one shape, stacked by rank."""
        if self.size == 1:
            return mine[None]
        theirs = [torch.empty_like(mine) for _ in range(self.size)]
        distributed.all_gather(theirs, mine)
        return torch.stack(theirs)


@contextmanager
def processes() -> Iterator[Processes]:
    """Join the processes that torchrun has started; without it there is this one.

    What the CPU has goes through gloo, what CUDA has through NCCL.
    """
    if not distributed.is_torchelastic_launched():
        yield Processes()
        return
    distributed.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield Processes(
            distributed.get_rank(), distributed.get_world_size(), distributed.get_node_local_rank(fallback_rank=0)
        )
    finally:
        distributed.destroy_process_group()
