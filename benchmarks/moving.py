"""What moves between planes: how true the image is where fibres and bristles are seen in one place after another."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.methods import Contest, table
from benchmarks.scenes import Textures, scenes
from napari_swinfusion.decide.registry import COMPARATORS
from napari_swinfusion.evaluation import simulated_case
from napari_swinfusion.evaluation.scoring import gather
from napari_swinfusion.simulation import SimulatedStack

PRESETS = ("organoid-brightfield", "reflected", "cytology")
PLANES = (5, 15)
STRANDS, DRIFT = 4, 3.0
LEVELS: dict[str, float | None] = {"noise-free": None, "20000": 20_000, "2000": 2_000}
# Share of white by which the movement has to change some plane for a pixel to count.
SEEN = 0.02


def measure(contest: Contest, textures: Textures) -> dict[str, Any]:
    """Return by photon level the RMSE (% of white) where the movement of four strands, 3 px a plane, is seen.

    "ratio" is a network's mean RMSE over that of the best comparator.
    """
    return {level: _at(contest, photons, textures) for level, photons in LEVELS.items()}


def _at(contest: Contest, photons: float | None, textures: Textures) -> dict[str, Any]:
    rows: dict[str, list[dict[str, float]]] = {}
    for scene in scenes(presets=PRESETS, planes=PLANES):
        still, case = (scene.take(photons, textures, strands=STRANDS, strand_drift=drift) for drift in (0.0, DRIFT))
        seen = moved(still, case)
        for name, result in contest.fuse(case.stack, hard=True).items():
            error = (gather(result, simulated_case(case)).fused - case.truth)[seen] / case.white
            rows.setdefault(name, []).append({"rmse": 100 * math.sqrt(float((error**2).mean()))})
    found = table(rows)
    best = min(found[name]["rmse"]["mean"] for name in COMPARATORS)
    return {
        "methods": found,
        "ratio": {name: round(found[name]["rmse"]["mean"] / best, 3) for name in found if name not in COMPARATORS},
    }


def moved(still: SimulatedStack, case: SimulatedStack) -> NDArray[np.bool_]:
    """Return where a specimen whose strands move looks other than if they did not, in any plane."""
    seen: NDArray[np.bool_] = np.abs(still.clean - case.clean).max(0) > SEEN * case.white
    return seen
