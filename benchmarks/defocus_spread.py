"""Defocus spread: how true the image is round the edges of what lies before something else."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.methods import Contest
from benchmarks.scenes import Textures, scenes
from benchmarks.simulated import error_where
from napari_swinfusion.simulation import SimulatedStack

# Fluorescence adds up: nothing hides anything there.
PRESETS = ("organoid-brightfield", "cytology", "reflected", "two-plane")
PLANES = (2, 5, 9)
LEVELS: dict[str, float | None] = {"noise-free": None, "20000": 20_000, "2000": 2_000}
FARTHEST = 32.0  # px of blur that the simulator draws at most


def measure(contest: Contest, textures: Textures) -> dict[str, Any]:
    """Return by photon level the RMSE (% of white) in a band round occlusion edges.

    An edge is where the depth of what is seen jumps by a plane or more from one pixel to the next. Its band reaches as
    far as the blur radius (geometric optics) of the one side when the other is in focus, at least 1 px.
    """
    return {level: error_where(contest, _cases(photons, textures)) for level, photons in LEVELS.items()}


def _cases(photons: float | None, textures: Textures) -> Iterator[tuple[SimulatedStack, NDArray[np.bool_]]]:
    for scene in scenes(presets=PRESETS, planes=PLANES):
        case = scene.take(photons, textures)
        yield case, edge_band(case)


def edge_band(case: SimulatedStack) -> NDArray[np.bool_]:
    """Return the pixels within one blur radius of an occlusion edge."""
    depth = case.depth.clip(0, case.stack.n_planes - 1)
    jump = np.zeros(depth.shape)
    for axis in (0, 1):
        step = np.abs(np.diff(depth, axis=axis))
        before, after = [(0, 0), (0, 0)], [(0, 0), (0, 0)]
        before[axis], after[axis] = (1, 0), (0, 1)
        jump = np.maximum(jump, np.maximum(np.pad(step, before), np.pad(step, after)))
    microscope = case.microscope
    reach = np.where(jump >= 1, np.maximum(jump * microscope.blur_radius(microscope.z_step), 1), 0)
    reach = np.minimum(reach, FARTHEST)
    band = np.zeros(depth.shape, dtype=bool)
    for radius in range(1, math.ceil(FARTHEST) + 1):
        edges = reach >= radius
        if not edges.any():
            break
        band |= ndimage.distance_transform_edt(~edges) <= radius
    return band
