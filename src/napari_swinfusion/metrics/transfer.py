"""How much of what the sources show arrives in the fused image, where no true image is known."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_swinfusion.errors import InputError
from napari_swinfusion.metrics.checks import check_sources

_Map = NDArray[np.float64]

# Height, steepness and centre of the two sigmoids, as published.
_STRENGTH = (0.9994, -15.0, 0.5)
_ORIENTATION = (0.9879, -22.0, 0.8)


def qabf(fused: NDArray[Any], sources: NDArray[Any]) -> float:
    """Edge transfer Q^AB/F (Xydeas and Petrovic, Electron. Lett. 36, 2000), for any number of sources.

    At each pixel the strength g and orientation a of the Sobel edge of a source s are compared with those of the
    fused image f: G = min(g_s / g_f, g_f / g_s), A = 1 - |a_s - a_f| / (π/2), and Q_s = Γ_g / (1 + exp(κ_g (G - σ_g)))
    · Γ_a / (1 + exp(κ_a (A - σ_a))). The score is the mean of Q_s over all pixels and sources, weighted by g_s; the
    paper writes it for two sources and the sum extends to n as it stands.

    Higher is better; range 0 to 0.975: with the published constants not even a perfect copy reaches 1, and they are
    kept so that scores compare with published ones. An orientation has no sign, so we take the smaller angle between
    the two lines; code that subtracts the arc tangents as they are scores about 0.01 lower, at edges near ±π/2.
    The image is mirrored at its border. Noise that is carried over counts as kept, noise averaged away as lost.

    Parameters
    ----------
    fused
        `(h, w)` grey.
    sources
        `(n, h, w)`, in any unit proportional to that of `fused`.

    Raises
    ------
    InputError
        If the shapes differ or no source has an edge.
    """
    check_sources(fused, sources)
    strength, angle = _edges(fused)
    kept = total = 0.0
    for source in sources:
        source_strength, source_angle = _edges(source)
        kept += float((source_strength * _preserved(source_strength, source_angle, strength, angle)).sum())
        total += float(source_strength.sum())
    if total == 0:
        raise InputError("No source has an edge; edge transfer is not defined.")
    return kept / total


def _edges(image: NDArray[Any]) -> tuple[_Map, _Map]:
    """Return strength and orientation, [0, π), of the Sobel gradient."""
    grey = image.astype(np.float64)
    along_y = ndimage.sobel(grey, axis=0)
    along_x = ndimage.sobel(grey, axis=1)
    return np.hypot(along_x, along_y), np.arctan2(along_y, along_x) % np.pi


def _preserved(source_strength: _Map, source_angle: _Map, strength: _Map, angle: _Map) -> _Map:
    larger = np.maximum(source_strength, strength)
    ratio = np.divide(np.minimum(source_strength, strength), larger, out=np.ones_like(larger), where=larger > 0)
    turn = np.abs(source_angle - angle)
    likeness = 1 - np.minimum(turn, np.pi - turn) / (np.pi / 2)
    return _sigmoid(ratio, *_STRENGTH) * _sigmoid(likeness, *_ORIENTATION)


def _sigmoid(value: _Map, height: float, steepness: float, centre: float) -> _Map:
    return height / (1 + np.exp(steepness * (value - centre)))
