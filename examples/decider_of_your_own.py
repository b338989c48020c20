"""Fuse by a rule of your own: here each pixel comes from the plane where it is darkest.

A decider answers one question, how much of each plane; registration, illumination match, composition from raw values
and provenance are the same as for every other.
"""

import numpy as np

import napari_swinfusion as nsf
from napari_swinfusion.decide.base import DeciderInfo, TileDecision
from napari_swinfusion.tiling import plan_tiles


class Darkest:
    """Takes the darkest plane of each pixel; it looks at no neighbours, so its reach is 0 px."""

    info = DeciderInfo(name="darkest", summary="The darkest plane of each pixel.")

    def decide(self, planes, *, progress=None, cancel=None):
        """Yield the answer tile by tile."""
        for tile in plan_tiles(planes.height, planes.width, core=256, reach=0, multiple=1):
            if cancel is not None:
                cancel.check()
            grey = planes.grey(tile.core)
            chosen = grey.argmin(axis=0)
            weights = (np.arange(planes.n_planes)[:, None, None] == chosen).astype(np.float32)
            yield TileDecision(box=tile.core, weights=weights)


stack = nsf.simulate(n_planes=5, height=128, width=128, seed=1).stack
result = nsf.fuse(stack, model=Darkest(), match_illumination=False, blend="hard")
assert (result.image == stack.data.min(axis=0)).mean() > 0.9  # the rest is filled from neighbours
print(result.provenance["model"]["name"], result.image.dtype, result.image.shape)
