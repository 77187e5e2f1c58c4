"""The processes that train one network together, as started by torchrun."""

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
    """This process among the others.

    Every method is called by all of them at the same step.
    """

    rank: int = 0
    """Number of this process; 0 validates, logs and saves."""
    size: int = 1
    place: int = 0
    """Number of this process on its machine."""

    def divide_batch(self, batch: int) -> int:
        """Return this process' part of a batch size.

        Raises `ConfigError` when it cannot be divided.
        """
        if batch % self.size:
            msg = f"{batch} cannot be divided by {self.size} processes"
            raise ConfigError(msg, where="config: train.batch")
        return batch // self.size

    def wrap(self, learner: nn.Module) -> nn.Module:
        """Wrap a module so that gradients are the mean over all processes.

        Raises `ConfigError` on MPS, which does not support it.
        """
        if self.size == 1:
            return learner
        if any(weight.device.type == "mps" for weight in learner.parameters()):
            msg = "mps trains in one process only"
            raise ConfigError(msg, where="train.device", remedy="start it without torchrun, or use cpu")
        return DistributedDataParallel(learner)

    def broadcast(self, figure: float) -> float:
        """Return the figure of process 0."""
        if self.size == 1:
            return figure
        known = torch.tensor(figure, dtype=torch.float64)
        distributed.broadcast(known, 0)
        return known.item()

    def reduce_any(self, flag: bool) -> bool:  # noqa: FBT001 - the flag of this process
        """Return whether the flag is true in any process."""
        if self.size == 1:
            return flag
        known = torch.tensor(flag, dtype=torch.uint8)
        distributed.all_reduce(known, distributed.ReduceOp.MAX)
        return bool(known.item())

    def gather(self, mine: Tensor) -> Tensor:
        """Return the CPU tensors of all processes, of one shape, stacked by rank."""
        if self.size == 1:
            return mine[None]
        theirs = [torch.empty_like(mine) for _ in range(self.size)]
        distributed.all_gather(theirs, mine)
        return torch.stack(theirs)


@contextmanager
def join_processes() -> Iterator[Processes]:
    """Join the processes that torchrun has started; without it there is only this one.

    CPU tensors go through gloo, CUDA tensors through NCCL.
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
