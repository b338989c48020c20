"""Structural similarity of the fused image with the source that has the structure."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_swinfusion.metrics.checks import check_range, check_side, check_sources

_Map = NDArray[np.float64]

_SIGMA, _RADIUS = 1.5, 3
_ALIKE = 0.75
_CONSTANT = 1e-8


def q_y(fused: NDArray[Any], sources: NDArray[Any], *, data_range: float) -> float:
    """Similarity Q_Y (Yang, Zhang, Wang and Liu, Inf. Fusion 9, 2008), for any number of sources.

    Under each window of 7 × 7 px: where the sources are alike (SSIM of at least 0.75), the mean of SSIM(s, f),
    weighted by the variance of the source; elsewhere the largest SSIM(s, f). The score is the mean over all windows.
    The paper writes two sources. Of n sources we call a window alike where each two of them are; weights and maximum
    extend as they stand. The window is Gaussian (sigma 1.5 px), as in the code that most published values come from;
    its constant, 2e-16, drowns in rounding errors on flat ground, and is 1e-8 · data_range² here.

    Higher is better; range -1 to 1 (a copy).

    Parameters
    ----------
    fused
        `(h, w)` grey, at least 7 px each way.
    sources
        `(n, h, w)`, in the unit of `fused`.
    data_range
        Distance from black to white in that unit.

    Raises
    ------
    InputError
        If the shapes differ or are too small, or the range is not positive.
    """
    check_sources(fused, sources)
    check_range(data_range)
    check_side(fused, 2 * _RADIUS + 1, "Q_Y")
    planes = [_Windows(source.astype(np.float64) / data_range) for source in sources]
    image = _Windows(fused.astype(np.float64) / data_range)
    with_fused = np.stack([plane.similarity(image) for plane in planes])
    alike = np.ones(with_fused.shape[1:], dtype=bool)
    for first, second in itertools.combinations(planes, 2):
        alike &= first.similarity(second) >= _ALIKE
    weights = np.stack([plane.variance for plane in planes]) + _CONSTANT
    shared = (weights * with_fused).sum(axis=0) / weights.sum(axis=0)
    return float(np.where(alike, shared, with_fused.max(axis=0)).mean())


class _Windows:
    """Means and variances of an image under all windows that lie inside it."""

    def __init__(self, image: _Map) -> None:
        self._image = image
        self.mean = _smooth(image)
        self.variance = np.maximum(_smooth(image * image) - self.mean**2, 0)

    def similarity(self, other: _Windows) -> _Map:
        """Return the SSIM under each window."""
        covariance = _smooth(self._image * other._image) - self.mean * other.mean
        luminance = (2 * self.mean * other.mean + _CONSTANT) / (self.mean**2 + other.mean**2 + _CONSTANT)
        similarity: _Map = (2 * covariance + _CONSTANT) / (self.variance + other.variance + _CONSTANT) * luminance
        return similarity


def _smooth(image: _Map) -> _Map:
    inside = slice(_RADIUS, -_RADIUS)
    return ndimage.gaussian_filter(image, _SIGMA, radius=_RADIUS)[inside, inside]
