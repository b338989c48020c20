"""Measure `swinfusion-base` against the same network computed plainly: `python -m benchmarks.swinfusion_speed`.

Both paint the same two planes with the same random weights, in turns, each run in a process of its own with one thread.
Memory is the peak above what the process held with the network and the planes.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch

from benchmarks.plain_swinfusion import fuse_plainly
from benchmarks.setting import RESULTS, ROOT, describe_setting, save
from napari_swinfusion.networks import SwinFusion, build_network

SIDE = 520
ROUNDS = 3
MIB = 2**20
WAYS = ("plain", "ours")


def main() -> None:
    """Run both ways in turns, compare what they paint and save the medians, or be one of those runs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, default=RESULTS / "swinfusion_speed.json", help="where the numbers go")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--side", type=int, default=SIDE)
    parser.add_argument("--run", nargs=2, metavar=("WAY", "IMAGE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        print(json.dumps(run_here(options.run[0], options.side, Path(options.run[1]))))
        return
    torch.set_num_threads(1)  # as in the runs, so that the setting tells it
    results = measure(options.side, options.rounds)
    save({"setting": describe_setting(), "planes": f"2 × {options.side} × {options.side}", **results}, options.json)
    print(json.dumps(results, indent=1))


def measure(side: int, rounds: int) -> dict[str, Any]:
    """Return the medians of both ways, their ratios, and how far apart the images are."""
    runs: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory() as folder:
        files = {way: Path(folder) / f"{way}.npy" for way in WAYS}
        for _ in range(rounds):
            for way in WAYS:
                command = [sys.executable, "-m", "benchmarks.swinfusion_speed", "--side", str(side)]
                found = subprocess.run(
                    [*command, "--run", way, str(files[way])],
                    cwd=ROOT,
                    check=True,
                    capture_output=True,
                    text=True,
                    env={**os.environ, "OMP_NUM_THREADS": "1"},
                )
                runs[way].append(json.loads(found.stdout))
        one, other = (np.load(files[way]) for way in WAYS)
    medians = {
        way: {key: round(statistics.median(run[key] for run in found), 3) for key in found[0]}
        for way, found in runs.items()
    }
    plain, ours = (medians[way] for way in WAYS)
    return {
        **medians,
        "times less CPU time": round(plain["cpu seconds"] / ours["cpu seconds"], 2),
        "part of the memory": round(ours["peak MiB"] / plain["peak MiB"], 3),
        "largest difference": float(np.abs(one - other).max()),
        "range of the image": float(np.ptp(one)),
    }


def run_here(way: str, side: int, image: Path) -> dict[str, float]:
    """Paint once, save the image and return what it took."""
    torch.set_num_threads(1)
    network, planes = subject(side)
    if way == "plain":
        network = network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    held = psutil.Process().memory_info().rss
    started = time.process_time()
    with torch.inference_mode():
        painted = fuse_plainly(network, planes) if way == "plain" else network(planes).image
    seconds = time.process_time() - started
    np.save(image, painted.numpy())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return {"cpu seconds": seconds, "peak MiB": (peak - held) / MIB}


def subject(side: int) -> tuple[SwinFusion, torch.Tensor]:
    """Return the network, none of its weights zero, and two planes."""
    torch.manual_seed(0)
    network = build_network("swinfusion-base").eval()
    assert isinstance(network, SwinFusion)
    for parameter in network.parameters():
        parameter.data.add_(0.02 * torch.randn_like(parameter))
    return network, torch.rand(1, 2, side, side)


if __name__ == "__main__":
    main()
