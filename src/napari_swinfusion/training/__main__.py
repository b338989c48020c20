"""Train a network on simulated stacks: `python -m napari_swinfusion.training -o runs/default`.

Started under `torchrun --nproc-per-node 2` it uses two processes. One JSON line an event on standard output.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from napari_swinfusion.networks import build_network
from napari_swinfusion.training.loop import TrainingConfig, train
from napari_swinfusion.training.textures import bundled_textures, file_textures
from napari_swinfusion.weights import load_model


def _tell(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def main(
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder of checkpoint, log and model; resumed if it exists.")
    ],
    architecture: Annotated[str, typer.Option(help="Registered network.")] = "hybrid",
    config: Annotated[str, typer.Option(help="Settings of the network, JSON.")] = "{}",
    steps: Annotated[int, typer.Option(help="Optimiser steps.")] = TrainingConfig.steps,
    seed: Annotated[int, typer.Option(help="Seed of weights and samples.")] = 0,
    settings: Annotated[str, typer.Option(help="Further settings of the training, JSON.")] = "{}",
    base: Annotated[str | None, typer.Option(help="Shipped model or file to start from, not from nothing.")] = None,
    texture: Annotated[list[Path] | None, typer.Option(help="Further sharp images to cut textures from.")] = None,
    threads: Annotated[int, typer.Option(help="Threads of each process.")] = 1,
) -> None:
    """Train a network on simulated stacks with known truth."""
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    network = load_model(base) if base else build_network(architecture, json.loads(config))
    if torch.cuda.is_available():
        network.cuda()
    textures = bundled_textures() | file_textures(texture or [])
    train(network, textures, TrainingConfig(steps=steps, seed=seed, **json.loads(settings)), out, report=_tell)


if __name__ == "__main__":
    typer.run(main)
