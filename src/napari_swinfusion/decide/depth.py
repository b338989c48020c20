"""How deep a pixel lies, between the planes too: from which plane is in focus to where in z that is."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# Planes either side of the likeliest that tell its depth; 1 or 3 measure the same within a hundredth of a plane.
_REACH = 2


def depth_from_focus(focus: NDArray[np.floating[Any]], peak: NDArray[np.integer[Any]]) -> NDArray[np.float32]:
    """Return where in z a pixel is in focus, `(h, w)`, planes and fractions of them: 3.5 lies between planes 3 and 4.

    The mean place of the likeliest plane, `peak` `(h, w)`, and two either side, by their shares in `focus` `(n, h, w)`:
    what lies farther away is another surface, or doubt. Within 0 and n − 1.
    """
    total = np.zeros(peak.shape, dtype=np.float32)
    moment = np.zeros_like(total)
    for step in range(-_REACH, _REACH + 1):
        at = peak + step
        share = np.take_along_axis(focus, at.clip(0, len(focus) - 1)[None], axis=0)[0]
        share = np.where((at >= 0) & (at < len(focus)), share, 0)
        total += share
        moment += step * share
    return np.asarray(peak + moment / total, dtype=np.float32)
