"""Where a decision map is unsure, and what it says there: a map that noise speckles can be neither read nor painted."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

from napari_swinfusion.decide.filters import Array, smooth

# A pixel as confident as this stands for itself. Any other needs half of its surroundings, blocks of 8 px and two more
# either way, to name about the same plane.
_SELF_EVIDENT = 0.7
_HALF = 0.5
_BLOCK, _BLOCKS = 8, 5
# Planes no farther apart than this part of the stack are about the same, and neighbours are in any stack.
_ABOUT = 1 / 12


def sure_pixels(
    planes: NDArray[np.integer[Any]], confidence: Array, *, n_planes: int, threshold: float
) -> NDArray[np.bool_]:
    """Return where a decision stands: it is confident, no lone speck, and not at odds with all that is around.

    In empty space planes differ by the grain of a camera or of its files, and each patch names another one, often with
    a confidence that a faint surface has, too. A surface is named by all of its pixels.

    Parameters
    ----------
    planes
        Plane index `(h, w)`.
    confidence
        `(h, w)` in [0, 1].
    n_planes
        Planes in the stack.
    threshold
        Confidence below which nothing is sure.
    """
    sure = confidence >= threshold
    sure &= _box_mean(sure.astype(np.float32)) >= 0.3
    support = _support(planes, np.where(sure, confidence, 0), n_planes)
    in_order = sure & ((confidence >= _SELF_EVIDENT) | (support >= _HALF))
    return in_order if in_order.any() else sure


def _support(planes: NDArray[np.integer[Any]], votes_of: Array, n_planes: int) -> Array:
    """Return the share `(h, w)` of the votes around that are for about the same plane."""
    height, width = planes.shape
    column = np.arange(width) // _BLOCK
    bands = [slice(y, y + _BLOCK) for y in range(0, height, _BLOCK)]
    votes = np.empty((len(bands), column[-1] + 1, n_planes), dtype=np.float32)
    for row, band in zip(votes, bands, strict=True):
        ballots = column * n_planes + planes[band]
        row[:] = np.bincount(ballots.ravel(), votes_of[band].ravel(), row.size).reshape(row.shape)
    for axis in (0, 1):
        votes = uniform_filter1d(votes, _BLOCKS, axis, mode="constant")
    about = max(round(n_planes * _ABOUT), 1)
    shares = uniform_filter1d(votes, 2 * about + 1, 2, mode="constant") * (2 * about + 1)
    np.divide(shares, votes.sum(axis=2, keepdims=True), out=shares, where=shares > 0)
    support = np.empty(planes.shape, dtype=np.float32)
    for row, band in zip(shares, bands, strict=True):
        support[band] = row[column, planes[band]]
    return support


def fill_unsure(planes: NDArray[Any], confidence: Array, sure: NDArray[np.bool_]) -> NDArray[Any]:
    """Give pixels that no plane stands out at the plane, or the depth, of their confident neighbours, smoothly.

    Sure pixels keep their plane. The others take the confidence-weighted mean of the nearest scale of a pyramid (2, 4,
    8, ... px) that holds enough sure pixels: next to an object its plane, between objects a ramp, in the empty
    background one quiet surface.

    Parameters
    ----------
    planes
        Plane index `(h, w)`: integers, or depths with fractions.
    confidence
        `(h, w)` in [0, 1].
    sure
        `sure_pixels`; at least one.

    Returns
    -------
    `(h, w)`, dtype of `planes`, within the range of the sure ones.
    """
    weight = np.where(sure, confidence, 0).astype(np.float64)
    filled = _push_pull(planes * weight, weight)
    if planes.dtype.kind != "f":
        filled = np.rint(filled)
    return np.where(sure, planes, filled.astype(planes.dtype))


def _push_pull(value: NDArray[np.float64], weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return value / weight, taken from coarser scales where the weight is small."""
    own = np.divide(value, weight, out=np.zeros_like(value), where=weight > 0)
    if value.size == 1:
        return own
    coarse_weight = _halved(weight)
    # Three sure pixels of four make a coarse one sure: a speck of dust then does not colour the empty space around it.
    full = np.minimum(coarse_weight / 3, 1)
    excess = np.divide(full, coarse_weight, out=np.zeros_like(full), where=coarse_weight > 0)
    coarse = _doubled(_push_pull(_halved(value) * excess, full), value.shape)
    return weight * own + (1 - weight) * coarse


def _halved(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum blocks of 2 × 2; odd sides end with zeros."""
    padded = np.pad(image, [(0, side % 2) for side in image.shape])
    return padded[0::2, 0::2] + padded[1::2, 0::2] + padded[0::2, 1::2] + padded[1::2, 1::2]


def _doubled(image: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Interpolate linearly to twice the size, cut to `shape`."""
    for axis, size in enumerate(shape):
        lines = np.moveaxis(np.pad(image, [(1, 1) if a == axis else (0, 0) for a in (0, 1)], mode="edge"), axis, 0)
        fine = np.empty((2 * (len(lines) - 2), *lines.shape[1:]))
        fine[0::2] = 0.75 * lines[1:-1] + 0.25 * lines[:-2]
        fine[1::2] = 0.75 * lines[1:-1] + 0.25 * lines[2:]
        image = np.moveaxis(fine[:size], 0, axis)
    return image


def _box_mean(image: Array, radius: int = 2) -> Array:
    """Mean over a square window; outside the image counts as its mirror."""
    window = np.full(2 * radius + 1, 1 / (2 * radius + 1), dtype=np.float32)
    return smooth(np.pad(image, radius, mode="symmetric"), window)
