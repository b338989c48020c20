"""How much of the information that an eye draws from the sources it can draw from the fused image."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_swinfusion.errors import InputError
from napari_swinfusion.metrics.checks import check_range, check_side, check_sources

_Map = NDArray[np.float64]

# Gaussian windows from the finest scale to the coarsest, px, and the weights of the scales, as published.
_WINDOWS = (17, 9, 5, 3)
_WEIGHTS = (1 / 2.15, 0.0, 0.15 / 2.15, 1 / 2.15)
# Noise of the eye, in squared units of the data range.
_NOISE = 0.005
_LEAST_SIDE = 41


def viff(fused: NDArray[Any], sources: NDArray[Any], *, data_range: float) -> float:
    """Visual information fidelity for fusion (Han, Cai, Cao and Xu, Inf. Fusion 14, 2013).

    Locally the fused image is a gain g times the source plus noise of variance v; the eye adds noise of variance
    N = 0.005 · data_range². It draws log(1 + g² σ² / (v + N)) from the fused image and log(1 + σ² / N) from a source of
    variance σ². At each place the source with the smallest gain counts: the one of most detail. The score is the ratio
    of the sums, over four scales weighted by 1, 0, 0.15 and 1. The paper writes two sources; the smallest of n gains
    extends it. Among many noisy planes it is often one whose noise the fused image does not share.

    Higher is better; range 0 up: a copy scores 1, and more contrast than the sources have scores above it.

    Parameters
    ----------
    fused
        `(h, w)` grey, at least 41 px each way.
    sources
        `(n, h, w)`, in the unit of `fused`.
    data_range
        Distance from black to white in that unit.

    Raises
    ------
    InputError
        If the shapes differ or are too small, the range is not positive or no source has detail.
    """
    check_sources(fused, sources)
    check_range(data_range)
    check_side(fused, _LEAST_SIDE, "VIFF")
    image = fused.astype(np.float64) / data_range
    planes = sources.astype(np.float64) / data_range
    score = 0.0
    for scale, (window, weight) in enumerate(zip(_WINDOWS, _WEIGHTS, strict=True)):
        if scale:
            image = _smooth(image, window)[::2, ::2]
            planes = np.stack([_smooth(plane, window)[::2, ::2] for plane in planes])
        if weight:
            score += weight * _fidelity(image, planes, window)
    return score


def _fidelity(image: _Map, planes: _Map, window: int) -> float:
    """Return the ratio of the information of the fused image to that of the sources, at one scale."""
    found = [_information(image, plane, window) for plane in planes]
    gains, kept, given = (np.stack(maps) for maps in zip(*found, strict=True))
    chosen = gains.argmin(axis=0)[None]
    total = float(np.take_along_axis(given, chosen, axis=0).sum())
    if total <= 0:
        raise InputError("No source has detail; VIFF is not defined.")
    return float(np.take_along_axis(kept, chosen, axis=0).sum()) / total


def _information(image: _Map, plane: _Map, window: int) -> tuple[_Map, _Map, _Map]:
    """Return the gain of the fused image over a source, what it keeps of it, and what the source holds."""
    of_image, of_plane = _smooth(image, window), _smooth(plane, window)
    variance = np.maximum(_smooth(plane * plane, window) - of_plane**2, 0)
    of_fused = np.maximum(_smooth(image * image, window) - of_image**2, 0)
    covariance = _smooth(plane * image, window) - of_plane * of_image
    detailed = variance > 1e-14
    gain = np.divide(covariance, variance, out=np.zeros_like(variance), where=detailed & (covariance > 0))
    noise = np.maximum(of_fused - gain * covariance, 0)
    return gain, np.log1p(gain**2 * variance / (noise + _NOISE)), np.log1p(variance / _NOISE)


def _smooth(image: _Map, window: int) -> _Map:
    radius = window // 2
    inside = slice(radius, -radius)
    return ndimage.gaussian_filter(image, window / 5, radius=radius)[inside, inside]
