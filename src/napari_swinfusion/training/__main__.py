"""The training process: `python -m napari_swinfusion.training RUN`, or `... -o runs/default` on simulated stacks.

RUN is a run folder that `jobs.write_job` has filled: a fine-tuning on own images. With `-o` a network is trained on
simulated stacks, as those that ship were. Either is resumed if its folder holds a checkpoint. Started under
`torchrun --nproc-per-node 2 --max-restarts 3` it uses two processes.

One JSON line an event goes to standard output, and a file of the run folder takes wishes such as "pause": see `events`.
Exit status: 0 finished, 1 failed (the last event is `error`), 130 suspended.
"""

from __future__ import annotations

import json
import signal
import sys
import traceback
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from napari_swinfusion.errors import CancelledError, ConfigError
from napari_swinfusion.memory import keep_freed_memory
from napari_swinfusion.networks import build_network, grow_network
from napari_swinfusion.training.events import Control, EventLog
from napari_swinfusion.training.jobs import run_job
from napari_swinfusion.training.loop import TrainingConfig
from napari_swinfusion.training.parts import freeze
from napari_swinfusion.training.pretraining import train
from napari_swinfusion.training.settings import read_settings
from napari_swinfusion.training.textures import bundled_textures, file_textures
from napari_swinfusion.weights import load_model

FAILED, SUSPENDED = 1, 130


def _tell(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def main(
    job: Annotated[Path | None, typer.Argument(metavar="[RUN]", help="Run folder of a fine-tuning.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder of checkpoint, log and model; resumed if it exists.")
    ] = None,
    architecture: Annotated[str, typer.Option(help="Registered network.")] = "hybrid",
    config: Annotated[str, typer.Option(help="Settings of the network, JSON; with a base those that are new.")] = "{}",
    steps: Annotated[int, typer.Option(help="Optimiser steps.")] = TrainingConfig.steps,
    seed: Annotated[int, typer.Option(help="Seed of weights and samples.")] = 0,
    settings: Annotated[str, typer.Option(help="Further settings, JSON; they win over options.")] = "{}",
    base: Annotated[str | None, typer.Option(help="Shipped model or file to start from, not from nothing.")] = None,
    only: Annotated[str | None, typer.Option(help="Part of the network that learns; the rest stays.")] = None,
    texture: Annotated[list[Path] | None, typer.Option(help="Further sharp images to cut textures from.")] = None,
    threads: Annotated[int, typer.Option(help="Threads of each process.")] = 1,
) -> None:
    """Fine-tune on own images (RUN), or train on simulated stacks with known truth (-o)."""
    folder = job or out
    if folder is None or (job is not None and out is not None):
        raise typer.BadParameter("give the run folder of a fine-tuning, or -o for simulated stacks")
    keep_freed_memory()
    torch.set_num_threads(threads)
    control = Control(folder)
    control.clear()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, control.suspend)
    try:
        if job is not None:
            run_job(job, report=_tell, wish=control.wish)
        else:
            training = TrainingConfig.from_dict({"steps": steps, "seed": seed, **read_settings(settings)})
            torch.manual_seed(training.seed)
            changes = json.loads(config)
            network = grow_network(load_model(base), changes) if base else build_network(architecture, changes)
            if only:
                parts = dict(network.named_children())
                if only not in parts:
                    raise ConfigError(f"The network has no part '{only}'; it has {', '.join(parts)}.")
                freeze(network, tuple(parts.keys() - {only}))
            if torch.cuda.is_available():
                network.cuda()
            textures = bundled_textures() | file_textures(texture or [])
            train(network, textures, training, folder, report=_tell, wish=control.wish)
    except CancelledError as error:
        raise typer.Exit(SUSPENDED) from error
    except Exception as error:
        folder.mkdir(parents=True, exist_ok=True)
        EventLog(folder, _tell).tell(
            "error", text=str(error), kind=type(error).__name__, traceback=traceback.format_exc()
        )
        raise typer.Exit(FAILED) from error


if __name__ == "__main__":
    typer.run(main)
