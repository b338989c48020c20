"""The training loop: plain torch, repeatable from its seed, resumable after a kill, on one process or several.

Several processes are started by `torchrun`; each draws samples of its own and gradients are averaged (gloo on CPU, nccl
on GPUs). Every step's samples come from a generator seeded by (seed, step, rank), so a resumed run sees what an
unbroken one would.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from napari_swinfusion.losses.recipes import Recipe, get_recipe
from napari_swinfusion.networks import FusionNetwork
from napari_swinfusion.training.checkpoint import load_checkpoint, save_checkpoint
from napari_swinfusion.training.objective import objective
from napari_swinfusion.training.samples import draw_batch, draw_length
from napari_swinfusion.weights import save_model


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How long and how to train.

    Attributes
    ----------
    steps
        Optimiser steps; the learning rate falls to zero over them on a cosine.
    planes_per_step
        Planes of a process and step, in stacks of 2 to 12.
    size, late_size, late_share
        Side of the crops, px; the last `late_share` of the steps uses `late_size`.
    learning_rate, warm_up, weight_decay, clip
        Of AdamW; the rate rises linearly over `warm_up` steps; gradients are clipped to norm `clip`.
    average
        Decay of the moving average of the weights, which is what ships.
    focus_share
        Weight of the focus in the recipe `supervised`.
    tolerance
        See `objective`.
    half
        Whether the network computes in bfloat16 during training.
    checkpoint_every
        Steps between checkpoints and log lines.
    """

    steps: int = 20_000
    planes_per_step: int = 16
    size: int = 128
    late_size: int = 192
    late_share: float = 0.2
    learning_rate: float = 1.5e-3
    warm_up: int = 300
    weight_decay: float = 0.01
    clip: float = 1.0
    average: float = 0.999
    focus_share: float = 0.2
    tolerance: float = 0.003
    half: bool = True
    checkpoint_every: int = 250
    seed: int = 0


def train(
    network: FusionNetwork,
    textures: dict[str, Tensor],
    config: TrainingConfig,
    folder: Path,
    *,
    until: int | None = None,
    report: Callable[[dict[str, Any]], None] | None = None,
) -> Path:
    """Train `network` on simulated stacks and return the model file, `folder/model.safetensors`.

    A `folder` that holds a checkpoint is resumed. `folder/log.jsonl` gets one line every `checkpoint_every` steps, and
    `report` is told the same. `until` pauses after that many of the configured steps; a later call goes on.
    """
    rank, world = _join_processes()
    folder.mkdir(parents=True, exist_ok=True)
    device = next(network.parameters()).device
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, betas=(0.9, 0.98)
    )
    average = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
    checkpoint = folder / "checkpoint.safetensors"
    step = 0
    if checkpoint.exists():
        step = load_checkpoint(checkpoint, network=network, average=average, optimizer=optimizer)
    network.train()
    recipe = get_recipe("supervised", weights={"focus": config.focus_share})
    sums: list[dict[str, Tensor]] = []
    started = time.perf_counter()
    last = min(until or config.steps, config.steps)
    while step < last:
        _set_rate(optimizer, config, step)
        sums.append(_step(network, optimizer, config, recipe, list(textures.values()), step, rank, world, device))
        step += 1
        _follow(average, network.state_dict(), min(config.average, (1 + step) / (10 + step)))
        if rank == 0 and (step % config.checkpoint_every == 0 or step == last):
            means = {name: torch.stack([parts[name] for parts in sums]).mean().item() for name in sums[0]}
            line = {
                "step": step, **means,
                "seconds_per_step": (time.perf_counter() - started) / len(sums), "processes": world,
            }  # fmt: skip
            sums, started = [], time.perf_counter()
            save_checkpoint(checkpoint, step=step, network=network, average=average, optimizer=optimizer)
            with (folder / "log.jsonl").open("a") as log:
                log.write(json.dumps(line) + "\n")
            _save_average(network, average, folder, config, textures, line)
            if report:
                report(line)
    return folder / "model.safetensors"


def _join_processes() -> tuple[int, int]:
    if "WORLD_SIZE" not in os.environ:
        return 0, 1
    if not dist.is_initialized():
        dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    return dist.get_rank(), dist.get_world_size()


def _set_rate(optimizer: torch.optim.Optimizer, config: TrainingConfig, step: int) -> None:
    rise = min((step + 1) / config.warm_up, 1.0)
    fall = 0.5 * (1 + math.cos(math.pi * step / config.steps))
    for group in optimizer.param_groups:
        group["lr"] = config.learning_rate * rise * fall


def _step(
    network: FusionNetwork,
    optimizer: torch.optim.Optimizer,
    config: TrainingConfig,
    recipe: Recipe,
    textures: Sequence[Tensor],
    step: int,
    rank: int,
    world: int,
    device: torch.device,
) -> dict[str, Tensor]:
    seed = (config.seed * 1_000_003 + step) * 64
    # All processes take equally long stacks, or the faster would wait for the slower at every step.
    n = draw_length(torch.Generator().manual_seed(seed))
    generator = torch.Generator().manual_seed(seed + 1 + rank)
    late = step >= config.steps * (1 - config.late_share)
    size = config.late_size if late else config.size
    batch = draw_batch(generator, n=n, size=size, planes_per_step=config.planes_per_step, textures=list(textures)).to(
        device
    )
    with torch.autocast(device.type, torch.bfloat16, enabled=config.half):
        fused = network(batch.planes)
    parts = objective(fused, batch, recipe, tolerance=config.tolerance)
    optimizer.zero_grad(set_to_none=True)
    parts.loss.backward()  # type: ignore[no-untyped-call]
    if world > 1:
        _average_gradients(network, world)
    nn.utils.clip_grad_norm_(network.parameters(), config.clip)
    optimizer.step()
    with torch.no_grad():
        assert fused.weights is not None
        mse = ((fused.weights * batch.planes).sum(1) - batch.truth).square().mean((-2, -1))
        psnr = -10 * mse.clamp(min=1e-9).log10().mean()
    return {name: part.detach().cpu() for name, part in {"loss": parts.loss, **parts.terms, "psnr": psnr}.items()}


def _average_gradients(network: nn.Module, world: int) -> None:
    gradients = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    dist.all_reduce(flat)
    start = 0
    for gradient in gradients:
        gradient.copy_(flat[start : start + gradient.numel()].view_as(gradient) / world)
        start += gradient.numel()


def _follow(average: dict[str, Tensor], state: dict[str, Any], decay: float) -> None:
    for name, tensor in average.items():
        tensor.lerp_(state[name].detach(), 1 - decay)


def _save_average(
    network: FusionNetwork,
    average: dict[str, Tensor],
    folder: Path,
    config: TrainingConfig,
    textures: dict[str, Tensor],
    line: dict[str, Any],
) -> None:
    current = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
    network.load_state_dict(average)
    story = {"training": asdict(config), "textures": sorted(textures), "last": line, "parameters": sum(
        parameter.numel() for parameter in network.parameters()
    )}  # fmt: skip
    save_model(network, folder / "model.safetensors", story)
    network.load_state_dict(current)
