"""Structural similarity over five scales."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.transform import downscale_local_mean

from napari_swinfusion.errors import InputError
from napari_swinfusion.metrics.checks import check_range, check_side

_Map = NDArray[np.float64]

# Exponents from the finest scale to the coarsest, as published.
_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
_SIGMA, _RADIUS = 1.5, 5


def ms_ssim(image: NDArray[Any], truth: NDArray[Any], *, data_range: float) -> float:
    """Multi-scale SSIM (Wang, Simoncelli and Bovik, Asilomar 2003): contrast and structure at five scales.

    Each scale is the mean of 2 × 2 px of the one before; the luminance term counts at the coarsest alone. Windows that
    would reach beyond the image are left out. A negative mean of a scale, which has no real power, counts as 0.

    Higher is better; range 0 to 1 (equal images).

    Parameters
    ----------
    image, truth
        `(h, w)`, at least 176 px each way: 11 px at the coarsest scale.
    data_range
        Distance from black to white in the unit of the images.

    Raises
    ------
    InputError
        If the shapes differ or are too small, or the range is not positive.
    """
    if image.shape != truth.shape:
        raise InputError(f"The image {image.shape} and the truth {truth.shape} differ in shape.")
    check_range(data_range)
    check_side(image, (2 * _RADIUS + 1) << (len(_WEIGHTS) - 1), "MS-SSIM")
    first, second = image.astype(np.float64) / data_range, truth.astype(np.float64) / data_range
    product = 1.0
    for scale, weight in enumerate(_WEIGHTS, start=1):
        luminance, structure = _terms(first, second)
        term = luminance * structure if scale == len(_WEIGHTS) else structure
        product *= max(float(term.mean()), 0.0) ** weight
        first, second = _halved(first), _halved(second)
    return product


def _terms(first: _Map, second: _Map) -> tuple[_Map, _Map]:
    """Return the luminance term and the product of contrast and structure."""
    mean1, mean2 = _smooth(first), _smooth(second)
    variances = _smooth(first * first) + _smooth(second * second) - mean1**2 - mean2**2
    covariance = _smooth(first * second) - mean1 * mean2
    c1, c2 = 0.01**2, 0.03**2
    return (2 * mean1 * mean2 + c1) / (mean1**2 + mean2**2 + c1), (2 * covariance + c2) / (variances + c2)


def _smooth(image: _Map) -> _Map:
    inside = slice(_RADIUS, -_RADIUS)
    return ndimage.gaussian_filter(image, _SIGMA, radius=_RADIUS)[inside, inside]


def _halved(image: _Map) -> _Map:
    even = image[: image.shape[0] // 2 * 2, : image.shape[1] // 2 * 2]
    halved: _Map = downscale_local_mean(even, (2, 2))  # type: ignore[no-untyped-call]
    return halved
