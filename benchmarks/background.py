"""Flat background: whether it is free of plane flicker, in the image and in the decision map."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.methods import Contest, decision_steps, table
from benchmarks.scenes import Textures, scenes
from napari_swinfusion.evaluation import simulated_case
from napari_swinfusion.evaluation.scoring import gather
from napari_swinfusion.metrics.reference import textured
from napari_swinfusion.simulation import SimulatedStack

PHOTONS = (20_000, 2_000, 500)
PLANES = (9, 15)
ROUNDS = 3
# Farther than this (px) from any detail no plane's blur reaches the background noticeably.
MARGIN = 12
LEAST = 1000  # px of background, below which a scene is left out


def measure(contest: Contest, textures: Textures) -> dict[str, Any]:
    """Return by photon level what is left on the flat background of brightfield organoids.

    The background is where the truth has no detail (a local standard deviation of 0.5 % of white), 12 px away from any.
    "sd" is the standard deviation of image minus truth there, in % of white; "sd of the best plane" the smallest that
    any single plane has, its own lamp known; "steps" the share of neighbouring pixels of the decision map there whose
    planes lie more than one apart.
    """
    return {str(photons): {"methods": _at(contest, photons, textures)} for photons in PHOTONS}


def _at(contest: Contest, photons: float, textures: Textures) -> dict[str, Any]:
    rows: dict[str, list[dict[str, float]]] = {}
    for scene in scenes(presets=("organoid-brightfield",), planes=PLANES, rounds=ROUNDS):
        case = scene.take(photons, textures)
        empty = flat_background(case)
        if empty.sum() < LEAST:
            continue
        best = _best_plane(case, empty)
        for name, result in contest.fuse(case.stack).items():
            left = gather(result, simulated_case(case)).fused - case.truth
            sd = float(left[empty].std())
            found = {"sd": 100 * sd / case.white, "sd over the best plane": sd / best}
            rows.setdefault(name, []).append(found | {"steps": decision_steps(result.decision, empty)})
    return table(rows)


def flat_background(case: SimulatedStack) -> NDArray[np.bool_]:
    """Return where there is nothing to see, far from all there is."""
    detail = textured(case.truth, data_range=case.white, contrast=0.005)
    return np.asarray(ndimage.distance_transform_edt(~detail) > MARGIN)


def _best_plane(case: SimulatedStack, empty: NDArray[np.bool_]) -> float:
    dark = case.camera.offset * case.white
    planes = case.stack.read(0)[:, 0]
    return min(
        float(((plane[empty] - dark) / lamp + dark - case.truth[empty]).std())
        for plane, lamp in zip(planes.astype(np.float64), case.lamp, strict=True)
    )
