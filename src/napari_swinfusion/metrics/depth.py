"""Distance of a depth map from the true depth."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_swinfusion.errors import InputError


def depth_error(depth: NDArray[Any], truth: NDArray[Any], *, mask: NDArray[np.bool_] | None = None) -> float:
    """Mean absolute distance between a depth map, or a decision map, and the true depth.

    Lower is better; range 0 (on a ramp a quarter of a plane for a decision map, which has no fractions) up; planes.

    Parameters
    ----------
    depth
        Planes and fractions of them `(h, w)`.
    truth
        The same, not finite where there is no surface.
    mask
        Pixels that count; all with a finite truth by default.

    Raises
    ------
    InputError
        If the shapes differ or no pixel counts.
    """
    if depth.shape != truth.shape:
        raise InputError(f"The depth map {depth.shape} and the true depth {truth.shape} differ in shape.")
    counted = np.isfinite(truth) if mask is None else mask & np.isfinite(truth)
    if not counted.any():
        raise InputError("No pixel counts; depth error is not defined.")
    return float(np.abs(depth[counted] - truth[counted]).mean())
