"""What moves between planes: how true the image is where fibres and bristles are seen in one place after another."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.methods import Contest
from benchmarks.scenes import Textures, scenes
from benchmarks.simulated import error_where
from napari_swinfusion.simulation import SimulatedStack

PRESETS = ("organoid-brightfield", "reflected", "cytology")
PLANES = (5, 15)
STRANDS, DRIFT = 4, 3.0
LEVELS: dict[str, float | None] = {"noise-free": None, "20000": 20_000, "2000": 2_000}
# Share of white by which the movement has to change some plane for a pixel to count.
SEEN = 0.02


def measure(contest: Contest, textures: Textures) -> dict[str, Any]:
    """Return by photon level the RMSE (% of white) where the movement of four strands, 3 px a plane, is seen."""
    return {level: error_where(contest, _cases(photons, textures), hard=True) for level, photons in LEVELS.items()}


def _cases(photons: float | None, textures: Textures) -> Iterator[tuple[SimulatedStack, NDArray[np.bool_]]]:
    for scene in scenes(presets=PRESETS, planes=PLANES):
        still, case = (scene.take(photons, textures, strands=STRANDS, strand_drift=drift) for drift in (0.0, DRIFT))
        yield case, where_seen(still, case)


def where_seen(still: SimulatedStack, case: SimulatedStack) -> NDArray[np.bool_]:
    """Return where a specimen whose strands move looks other than if they did not, in any plane."""
    changed: NDArray[np.bool_] = np.abs(still.clean - case.clean).max(0) > SEEN * case.white
    return changed
