"""Distance of a decision map from the true depth."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_swinfusion.errors import InputError


def depth_error(decision: NDArray[Any], depth: NDArray[Any], *, mask: NDArray[np.bool_] | None = None) -> float:
    """Mean absolute distance between the chosen plane and the true, fractional one.

    Lower is better; range 0 (a quarter of a plane is the best a plane index can do on a ramp) up; planes.

    Parameters
    ----------
    decision
        Plane index `(h, w)`.
    depth
        True plane index, fractional, `(h, w)`; not finite where there is no surface.
    mask
        Pixels that count; all with a finite depth by default.

    Raises
    ------
    InputError
        If the shapes differ or no pixel counts.
    """
    if decision.shape != depth.shape:
        raise InputError(f"The decision map {decision.shape} and the depth {depth.shape} differ in shape.")
    counted = np.isfinite(depth) if mask is None else mask & np.isfinite(depth)
    if not counted.any():
        raise InputError("No pixel counts; depth error is not defined.")
    return float(np.abs(decision[counted] - depth[counted]).mean())
