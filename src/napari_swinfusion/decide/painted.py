"""Which plane a painted image resembles at each pixel: the decision of a network that answers with an image alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_swinfusion.decide.filters import Array, cropped, gaussian_kernel, grown, smooth
from napari_swinfusion.decide.guards import NoiseFloor
from napari_swinfusion.tiling import Tile

_KERNEL = gaussian_kernel(2.0)
_RADIUS = len(_KERNEL) // 2

MARGIN = 2 * _RADIUS
"""Pixels around the wanted ones that `likeness_shares` looks at."""


def likeness_shares(painted: Array, planes: NDArray[np.float32], tile: Tile, floor: NoiseFloor) -> Array:
    """Return the share of each plane in the core of `tile`, `(n, h, w)`, summing to 1 over n.

    Parameters
    ----------
    painted, planes
        `(h, w)` and `(n, h, w)` over the box that `tile` reads, in one scale of grey; the core has `MARGIN` px around
        it there, except at the edges of the image, which are mirrored.
    floor
        Noise of the planes.

    Notes
    -----
    Painted minus plane, without its local mean (a painted level says nothing about focus), squared and summed under a
    Gaussian of 2 px is how unlike they are. Shares go with the inverse square of that plus the noise: where the planes
    differ by no more than noise, all are alike.
    """
    wanted = grown(tile.core, MARGIN)
    present = wanted.clipped(tile.read.y1, tile.read.x1)
    inside = (..., *present.within(tile.read).slices)
    missing = ((present.y0 - wanted.y0, wanted.y1 - present.y1), (present.x0 - wanted.x0, wanted.x1 - present.x1))
    around = np.pad(painted[inside], missing, mode="symmetric")
    unlike = np.stack([_unlikeness(around - np.pad(plane, missing, mode="symmetric")) for plane in planes[inside]])
    unlike += floor.variance(smooth(cropped(around, _RADIUS), _KERNEL))
    likeness = (unlike.min(axis=0) / unlike) ** 2
    shares: Array = likeness / likeness.sum(axis=0)
    return shares


def _unlikeness(difference: Array) -> Array:
    detail = cropped(difference, _RADIUS) - smooth(difference, _KERNEL)
    return smooth(detail * detail, _KERNEL)
