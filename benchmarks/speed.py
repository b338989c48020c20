"""Measure CPU time and memory of whole fusions: `python -m benchmarks.speed --json results.json`.

Each run is a process of its own; the models take turns, so that a machine that slows down slows all of them. Memory is
the peak above what the process held after its imports, the stack itself included.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from benchmarks.methods import whole_stack_networks
from benchmarks.setting import RESULTS, ROOT, describe_setting, save

REFERENCE = "tenengrad"
PLANES = (20, 40)
SIDE = 1024
ROUNDS = 3
MIB = 2**20


def main() -> None:
    """Run all models in turns and save the medians, or be one of those runs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, default=RESULTS / "speed.json", help="where the numbers go")
    parser.add_argument("--models", nargs="+", help="names or weights files; by default all but pair by pair ones")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--run", nargs=2, metavar=("MODEL", "PLANES"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        print(json.dumps(run_here(options.run[0], int(options.run[1]))))
        return
    results: dict[str, Any] = {"setting": describe_setting(), "stack": f"n × {SIDE} × {SIDE} uint16"}
    models = options.models or _shipped()
    for planes in PLANES:
        results[f"{planes} planes"] = _take_turns(models, planes, options.rounds)
        _print(planes, results[f"{planes} planes"])
    save(results, options.json)


def _shipped() -> list[str]:
    from napari_swinfusion import list_models
    from napari_swinfusion.weights import list_networks

    slow = set(list_networks()) - set(whole_stack_networks())
    return [info.name for info in list_models() if info.name not in slow]


def _take_turns(models: list[str], planes: int, rounds: int) -> dict[str, dict[str, float]]:
    runs: dict[str, list[dict[str, float]]] = {model: [] for model in models}
    for _ in range(rounds):
        for model in models:
            runs[model].append(_run_apart(model, planes))
    table = {
        model: {key: round(statistics.median(run[key] for run in found), 3) for key in found[0]}
        for model, found in runs.items()
    }
    if REFERENCE in table:
        for row in table.values():
            row[f"times {REFERENCE}"] = round(row["cpu seconds"] / table[REFERENCE]["cpu seconds"], 2)
    return table


def _run_apart(model: str, planes: int) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.speed", "--run", model, str(planes)]
    found = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    numbers: dict[str, float] = json.loads(found.stdout)
    return numbers


def run_here(model: str, planes: int) -> dict[str, float]:
    """Fuse one stack in this process and return what it took; loading the model counts, imports do not."""
    import torch  # noqa: F401 (part of the baseline, whether the model needs it or not)

    from napari_swinfusion.decide import network, registry  # noqa: F401
    from napari_swinfusion.pipeline import fuse

    imported = psutil.Process(os.getpid()).memory_info().rss
    stack = draw_stack(planes)
    wall, cpu = time.perf_counter(), time.process_time()
    fuse(stack, axes="ZYX", model=model, device="cpu")
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {
        "cpu seconds": cpu,
        "wall seconds": wall,
        "peak MiB above imports": (_peak() - imported) / MIB,
        "of it the stack, MiB": stack.nbytes / MIB,
    }


def draw_stack(planes: int) -> NDArray[np.uint16]:
    """Return a textured, noisy stack whose planes are sharp in turn along x; drawn plane by plane."""
    rng = np.random.default_rng(0)
    stack = np.empty((planes, SIDE, SIDE), dtype=np.uint16)
    texture = rng.normal(size=(SIDE, SIDE)).astype(np.float32)
    away = np.arange(SIDE, dtype=np.float32) / SIDE * planes
    for z in range(planes):
        light = 20_000 + 6_000 * texture / (1 + np.abs(away - z)) + 300 * rng.standard_normal(texture.shape, np.float32)
        stack[z] = light.clip(0, 65_535)
    return stack


def _peak() -> int:
    """Return the largest resident memory this process had, bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _print(planes: int, table: dict[str, dict[str, float]]) -> None:
    print(f"\n{planes} × {SIDE} × {SIDE} uint16")
    for model, row in table.items():
        print(f"{Path(model).name:24}" + "  ".join(f"{key} {value:.2f}" for key, value in row.items()))


if __name__ == "__main__":
    main()
