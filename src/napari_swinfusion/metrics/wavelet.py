"""How well the Haar coefficients of the sources are kept."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_swinfusion.errors import InputError
from napari_swinfusion.metrics.checks import check_range, check_side, check_sources

_Map = NDArray[np.float64]

# Exponents of the finer and the coarser scale.
_WEIGHTS = (2 / 3, 1 / 3)


def q_m(fused: NDArray[Any], sources: NDArray[Any], *, data_range: float) -> float:
    """Multi-scale edge preservation Q_M (Wang and Liu, Int. Conf. Signal Process. 2008), for any number of sources.

    At two scales of the orthonormal Haar transform a coefficient is kept by exp(-|source - fused|), in grey levels of
    8 bits; the mean over the three directions is weighted by the energy of the source there. The score is the weighted
    geometric mean of the scales, 2/3 to 1/3. The paper writes two sources and the sums extend to n as they stand. The
    code that most published values come from adds the directions up instead, and gives three times ours.

    Higher is better; range 0 to 1 (a copy). A grey level off is half lost: noise weighs much.

    Parameters
    ----------
    fused
        `(h, w)` grey, at least 4 px each way; rows and columns beyond a multiple of 4 are left out.
    sources
        `(n, h, w)`, in the unit of `fused`.
    data_range
        Distance from black to white in that unit.

    Raises
    ------
    InputError
        If the shapes differ, the range is not positive or no source has detail.
    """
    check_sources(fused, sources)
    check_range(data_range)
    check_side(fused, 4, "Q_M")
    whole = tuple(slice(0, size // 4 * 4) for size in fused.shape)
    image = fused[whole].astype(np.float64) * (255 / data_range)
    planes = sources[(slice(None), *whole)].astype(np.float64) * (255 / data_range)
    score = 1.0
    for weight in _WEIGHTS:
        image, kept = _haar(image)
        planes, given = _haar(planes)
        energy = (given**2).sum(axis=0)
        if not energy.any():
            raise InputError("No source has detail; Q_M is not defined.")
        likeness = np.exp(-np.abs(given - kept[:, None])).mean(axis=0)
        score *= float((likeness * energy).sum() / energy.sum()) ** weight
    return score


def _haar(image: _Map) -> tuple[_Map, _Map]:
    """Return the coarse image `(..., h/2, w/2)` and the details `(3, ..., h/2, w/2)`: along x, along y, both."""
    a, b = image[..., 0::2, 0::2], image[..., 0::2, 1::2]
    c, d = image[..., 1::2, 0::2], image[..., 1::2, 1::2]
    return (a + b + c + d) / 2, np.stack([a - b + c - d, a + b - c - d, a - b - c + d]) / 2
