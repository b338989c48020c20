"""Where a training stands: everything that resuming needs, in one safetensors file, replaced atomically."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

_MOMENTS = ("exp_avg", "exp_avg_sq", "step")


def save_checkpoint(
    path: Path, *, step: int, network: nn.Module, average: dict[str, Tensor], optimizer: torch.optim.Optimizer
) -> None:
    """Write the state after `step` to `path`; the file before stays whole until the new one is."""
    state = {f"network/{name}": tensor for name, tensor in network.state_dict().items()}
    state |= {f"average/{name}": tensor for name, tensor in average.items()}
    for name, parameter in network.named_parameters():
        for moment in _MOMENTS:
            state[f"{moment}/{name}"] = optimizer.state[parameter][moment]
    partial = path.with_suffix(".partial")
    save_file({name: t.detach().cpu().contiguous() for name, t in state.items()}, partial, metadata={"step": str(step)})
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    os.replace(partial, path)


def load_checkpoint(
    path: Path, *, network: nn.Module, average: dict[str, Tensor], optimizer: torch.optim.Optimizer
) -> int:
    """Bring network, average and optimizer to the state of `path`; return the step it was written after."""
    state = load_file(path)
    network.load_state_dict(
        {name.removeprefix("network/"): t for name, t in state.items() if name.startswith("network/")}
    )
    for name in average:
        average[name].copy_(state[f"average/{name}"])
    for name, parameter in network.named_parameters():
        optimizer.state[parameter] = {moment: state[f"{moment}/{name}"] for moment in _MOMENTS}
    return int(state["step/" + next(iter(dict(network.named_parameters())))].item())
