"""What fine-tuning gains, on images that are never learned from: `python -m benchmarks.finetuning`.

Runs of the same CPU time each, at one thread, from `default`:

- `organoids`: the real brightfield organoid stack, without truth; the left half is learned from, the right one judges.
- `dim cells`: simulated fluorescent cells at 40 photons with 0.3 % hot pixels. The shipped weights were trained at 200
  photons and more and 0.01 % hot pixels and less, so their base has not seen the like. Stacks and truths of one set of
  seeds are learned from, others judge.
- `faint cells`: the same at 10 photons.
- `bad recipe`: the organoids with a recipe that asks for the mean of the planes and nothing else; it has to be refused.

And the speed of a step: 16 planes of 128 × 128 px (eight pairs), in CPU-seconds, with the share of drawing them.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.setting import RESULTS, describe_setting, real_images, save
from napari_swinfusion import simulate
from napari_swinfusion.memory import keep_freed_memory
from napari_swinfusion.pipeline import as_stack
from napari_swinfusion.simulation import Camera
from napari_swinfusion.training.data.examples import Data, Example
from napari_swinfusion.training.finetuning import check, run_finetuning
from napari_swinfusion.training.parts import build_parts, measure
from napari_swinfusion.training.processes import Crew
from napari_swinfusion.training.settings import FinetuneConfig

DIM, FAINT = (Camera(photons=photons, read_noise=2.0, hot_pixels=3e-3) for photons in (40.0, 10.0))
LEARNED, JUDGED = 10, 8
TIMED_STEPS = 80  # A quarter of them draws simulated stacks, which cost more to draw; few steps tell it by chance.
FIRST_SEED = 7_000_001
RUNS = ("speed", "dim cells", "faint cells", "organoids", "bad recipe")
MEAN_ONLY = {"target": 0.0, "detail": 0.0, "low_frequency": 50.0}


def cells(camera: Camera, count: int, seed: int) -> list[Example]:
    """Draw stacks of cells in light that the base has not seen, with their truths."""
    drawn = [
        simulate(preset="cells-fluorescence", n_planes=7, height=192, width=192, seed=seed + i, camera=camera)
        for i in range(count)
    ]
    return [Example(stack=one.stack, reference=one.truth) for one in drawn]


def on_cells(camera: Camera, minutes: float) -> dict[str, Any]:
    """Fine-tune on cells under a camera, and return what other cells under it say."""
    config = FinetuneConfig(recipe="supervised", minutes=minutes, learning_rate=2e-3, simulated_share=0.0)
    return finetuned(cells(camera, LEARNED, FIRST_SEED), config, cells(camera, JUDGED, FIRST_SEED + 1000))


def finetuned(data: Data, config: FinetuneConfig, held_out: Data | None = None) -> dict[str, Any]:
    """Fine-tune for the CPU time of the configuration, and return what the held-out images say."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "model.safetensors"
        result = run_finetuning(
            check(data, config, held_out), config, target, Path(folder) / "run", clock=time.process_time
        )
        assert result is not None
    found = result.to_dict()
    kept = ("accepted", "reason", "why", "before", "after", "gain", "seconds")
    return {"cpu_minutes": config.minutes, **{name: found[name] for name in kept}}


def speed(stack: Any) -> dict[str, float]:
    """Return what a step on pairs costs on own crops alone and with simulated stacks mixed in, CPU-seconds."""
    planes = as_stack(stack)
    middle = planes.n_planes // 2
    pair = np.stack([planes.read(plane=plane)[0] for plane in (middle, middle + 2)]).squeeze()
    costs = {}
    for name, share in (("own", 0.0), ("mixed", FinetuneConfig.simulated_share)):
        config = FinetuneConfig(simulated_share=share)
        cost = measure(build_parts(check(pair, config), config, Crew()), config, time.process_time, steps=TIMED_STEPS)
        costs[f"cpu_seconds_per_step {name}"] = round(cost.seconds_per_step, 4)
        costs[f"drawing_share {name}"] = round(cost.drawing_share, 4)
    return costs


def main() -> None:
    """Run what was asked for, and write `results/finetuning.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="CPU-minutes of each run")
    parser.add_argument("--only", nargs="*", choices=RUNS, default=RUNS)
    parser.add_argument("--out", type=Path, default=RESULTS / "finetuning.json")
    options = parser.parse_args()
    keep_freed_memory()  # As every process that is started to train.
    torch.set_num_threads(1)
    images = real_images()
    noise = np.random.default_rng(0).random((8, 512, 512), dtype=np.float32)
    organoids: Any = noise if images is None else images / "zstack_organoid_bf_A01"
    results: dict[str, Any] = {"setting": describe_setting()}
    runs = {
        "speed": lambda: speed(organoids),
        "dim cells": lambda: on_cells(DIM, options.minutes),
        "faint cells": lambda: on_cells(FAINT, options.minutes),
        "organoids": lambda: finetuned(organoids, FinetuneConfig(minutes=options.minutes)),
        "bad recipe": lambda: finetuned(
            organoids,
            FinetuneConfig(minutes=options.minutes / 4, recipe_weights=MEAN_ONLY, learning_rate=3e-3),
        ),
    }
    for name in options.only:
        if images is None and name in ("organoids", "bad recipe"):
            continue
        results[name] = runs[name]()
        print(name, results[name], flush=True)
        save(results, options.out)


if __name__ == "__main__":
    main()
