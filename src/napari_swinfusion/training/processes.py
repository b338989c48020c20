"""One training in several processes: who takes part, and how they agree.

`torchrun` starts the processes and tells each its place; each draws samples of its own, and gradients are averaged
(gloo on CPU, nccl on GPUs), so that all hold the same weights after every step.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous


@dataclass(frozen=True)
class Crew:
    """The processes of a training; `rank` 0 alone writes and tells."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process writes and tells."""
        return self.rank == 0

    def agree(self, network: nn.Module, flags: Sequence[float]) -> list[float]:
        """Average the gradients over the processes in place, and return each flag summed over them."""
        if self.size == 1:
            return list(flags)
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in network.parameters() if p.requires_grad]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        flat = torch.cat([flat, flat.new_tensor(flags)])
        dist.all_reduce(flat)
        start = 0
        for gradient in gradients:
            gradient.copy_(flat[start : start + gradient.numel()].view_as(gradient) / self.size)
            start += gradient.numel()
        summed: list[float] = flat[start:].tolist()
        return summed

    def same(self, value: float, device: torch.device) -> float:
        """Return the value of the leading process."""
        if self.size == 1:
            return value
        shared: Tensor = torch.tensor([value], dtype=torch.float32, device=device)
        dist.broadcast(shared, src=0)
        return float(shared)


def join_crew() -> Crew:
    """Join the processes that `torchrun` started, or work alone."""
    if "WORLD_SIZE" not in os.environ:
        return Crew()
    if not dist.is_initialized():
        store, rank, size = next(rendezvous("env://"))
        # torchrun keeps its store when it starts processes again: without a prefix they may find the addresses of the
        # dead, and wait for them.
        store = PrefixStore(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"), store)
        backend = "nccl" if torch.cuda.is_available() else "gloo"
        dist.init_process_group(backend, store=store, rank=rank, world_size=size)
    return Crew(dist.get_rank(), dist.get_world_size())
