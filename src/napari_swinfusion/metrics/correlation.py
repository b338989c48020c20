"""Whether what the fused image has beyond one source comes from the others."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_swinfusion.metrics.checks import check_sources


def scd(fused: NDArray[Any], sources: NDArray[Any]) -> float:
    """Sum of the correlations of differences SCD (Aslantas and Bendes, Int. J. Electron. Commun. 69, 2015).

    r(f - b, a) + r(f - a, b): what is left of the fused image without one source should look like the other. The paper
    writes two sources; of n we correlate the fused image less the mean of the other sources with each source, and take
    2 / n times the sum, so that stacks of any length share one range; but among many planes out of focus that rewards
    blur: compare pairs with it. Without a difference nothing was added: 0.

    Higher is better; range -2 to 2.

    Parameters
    ----------
    fused
        `(h, w)` grey.
    sources
        `(n, h, w)`, n at least 2, in the unit of `fused`.

    Raises
    ------
    InputError
        If the shapes differ.
    """
    check_sources(fused, sources)
    planes = sources.astype(np.float64)
    total = planes.sum(axis=0)
    others = max(len(planes) - 1, 1)
    return 2 * float(np.mean([_correlation(fused - (total - plane) / others, plane) for plane in planes]))


def _correlation(first: NDArray[Any], second: NDArray[Any]) -> float:
    one, two = first - first.mean(), second - second.mean()
    spread = float(np.sqrt((one * one).sum() * (two * two).sum()))
    least = 1e-12 * max(float((two * two).sum()), np.finfo(np.float64).tiny)
    return float((one * two).sum()) / spread if spread > least else 0.0
