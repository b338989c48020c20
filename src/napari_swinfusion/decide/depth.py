"""How deep a pixel lies, between the planes too: from which plane is in focus to where in z that is."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# Planes either side of the likeliest that tell its depth; 1 or 3 measure the same within a hundredth of a plane.
_REACH = 2
# Shares per step: a band of rows, whose copies stay small however large the tile.
_BAND_VALUES = 1 << 20


def depth_from_focus(
    focus: NDArray[np.floating[Any]], peak: NDArray[np.integer[Any]] | None = None
) -> NDArray[np.float32]:
    """Return where in z a pixel is in focus, `(h, w)`, planes and fractions of them: 3.5 lies between planes 3 and 4.

    The mean place of the likeliest plane, or of `peak` `(h, w)` in its stead, and two either side, by their shares in
    `focus` `(n, h, w)`: what lies farther away is another surface, or doubt. Within 0 and n − 1; finite.
    """
    n, height, width = focus.shape
    depth = np.empty((height, width), dtype=np.float32)
    rows = max(_BAND_VALUES // (n * width), 1)
    for start in range(0, height, rows):
        band = slice(start, start + rows)
        shares = focus[:, band]
        depth[band] = _depth_of_band(shares, shares.argmax(axis=0) if peak is None else peak[band])
    return depth


def _depth_of_band(focus: NDArray[np.floating[Any]], peak: NDArray[np.integer[Any]]) -> NDArray[np.float32]:
    n, size = len(focus), peak.size
    shares, places, at = focus.reshape(-1), peak.ravel(), peak.ravel() * size + np.arange(size)
    total = shares.take(at)
    moment = np.zeros_like(total)
    for step in (step for step in range(-_REACH, _REACH + 1) if step):
        share = shares.take(at + step * size, mode="clip")
        share *= (places + step >= 0) & (places + step < n)
        total += share
        moment += step * share
    # Without any share, which counts as equal ones, the depth is that of the plane that is named.
    np.divide(moment, total, out=moment, where=total > 0)
    return np.asarray(places + moment, dtype=np.float32).reshape(peak.shape)
