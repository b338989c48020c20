"""Where a training stands: everything that resuming needs, in one safetensors file, replaced atomically.

The last two are kept: the older goes only when the newer has been read back from the disk.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from napari_swinfusion.errors import LoadError

CHECKPOINT, PREVIOUS = "checkpoint.safetensors", "checkpoint.previous.safetensors"
_MOMENTS = ("exp_avg", "exp_avg_sq", "step")


def save_checkpoint(
    folder: Path,
    *,
    network: nn.Module,
    average: dict[str, Tensor],
    optimizer: torch.optim.Optimizer,
    state: dict[str, Any],
) -> Path:
    """Write where a training stands into `folder`; the checkpoint before stays whole until this one is.

    Parameters
    ----------
    state
        JSON-able: the step and whatever else the run has to know.
    """
    tensors = {f"network/{name}": tensor for name, tensor in network.state_dict().items()}
    tensors |= {f"average/{name}": tensor for name, tensor in average.items()}
    for name, parameter in network.named_parameters():
        moments = optimizer.state.get(parameter, {})
        tensors |= {f"{moment}/{name}": moments[moment] for moment in _MOMENTS if moment in moments}
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    partial = folder / ".checkpoint.partial"
    save_file(tensors, partial, metadata={"state": json.dumps(state)})
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    written = load_file(partial)
    if written.keys() != tensors.keys() or not all(torch.equal(written[name], tensors[name]) for name in tensors):
        raise LoadError(f"The checkpoint {partial} does not read back as it was written; check the disk.")
    latest = folder / CHECKPOINT
    if latest.exists():
        os.replace(latest, folder / PREVIOUS)
    os.replace(partial, latest)
    return latest


def has_checkpoint(folder: Path) -> bool:
    """Tell whether there is a run to resume."""
    return any((folder / name).exists() for name in (CHECKPOINT, PREVIOUS))


def load_checkpoint(
    folder: Path, *, network: nn.Module, average: dict[str, Tensor], optimizer: torch.optim.Optimizer
) -> dict[str, Any]:
    """Bring network, average and optimizer to the newest whole checkpoint of `folder`, and return its state.

    Raises
    ------
    LoadError
        If no checkpoint there is whole.
    """
    for path in (folder / CHECKPOINT, folder / PREVIOUS):
        if not path.exists():
            continue
        try:
            tensors = load_file(path)
            with safe_open(path, framework="pt") as file:
                state: dict[str, Any] = json.loads((file.metadata() or {})["state"])
        except (SafetensorError, OSError, KeyError, json.JSONDecodeError):
            continue
        _restore(tensors, network=network, average=average, optimizer=optimizer)
        return state
    raise LoadError(f"No checkpoint in {folder} is whole; delete the folder and start again.")


def _restore(
    tensors: dict[str, Tensor], *, network: nn.Module, average: dict[str, Tensor], optimizer: torch.optim.Optimizer
) -> None:
    weights = {name.removeprefix("network/"): t for name, t in tensors.items() if name.startswith("network/")}
    network.load_state_dict(weights)
    for name in average:
        average[name].copy_(tensors[f"average/{name}"])
    for name, parameter in network.named_parameters():
        moments = {moment: tensors[f"{moment}/{name}"] for moment in _MOMENTS if f"{moment}/{name}" in tensors}
        if moments:
            optimizer.state[parameter] = {
                moment: tensor if moment == "step" else tensor.to(parameter.device)
                for moment, tensor in moments.items()
            }
