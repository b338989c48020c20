"""Where a decision or depth map is unsure, and what it says there: a map that noise speckles cannot be read."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

from napari_swinfusion.decide.filters import Array, smooth

# A pixel as confident as this stands for itself. Any other counts only where there is order: where this share of the
# confident pixels around, seven blocks of 8 px wide, are on two planes or about these, on a surface or at its edge.
_SELF_EVIDENT = 0.7
_ORDER = 0.9
_BLOCK, _AROUND = 8, 7
# Planes no farther apart than this part of the stack are about the same; so are neighbours.
_ABOUT = 1 / 12

_Mask = NDArray[np.bool_]
_Planes = NDArray[np.integer[Any]]


def confident_pixels(confidence: Array, threshold: float) -> _Mask:
    """Return where confidence `(h, w)` reaches `threshold`, but for lone specks."""
    return _without_specks(confidence >= threshold)


def orderly_pixels(planes: _Planes, confidence: Array, confident: _Mask, *, n_planes: int) -> _Mask:
    """Return those of the `confident` pixels that are not among many that contradict each other.

    In empty space planes differ by grain and by what compression made of it. Each patch then names another plane, as
    confidently as a faint surface does; but all of a surface names about the same. Where there is no such order at all,
    confidence alone decides.

    For heights only: the planes that an image is made of are best left to those patches. Each chose what fits its
    surroundings, and the planes between may glow with what lies elsewhere.

    Parameters
    ----------
    planes
        Plane index `(h, w)`.
    confidence
        `(h, w)` in [0, 1].
    confident
        `confident_pixels`.
    n_planes
        Planes in the stack.
    """
    order = _order(planes, np.where(confident, confidence, 0), n_planes)
    orderly = _without_specks(confident & ((confidence >= _SELF_EVIDENT) | (order >= _ORDER)))
    return orderly if orderly.any() else confident


def _without_specks(mask: _Mask) -> _Mask:
    return np.asarray(mask & (_box_mean(mask.astype(np.float32)) >= 0.3))


def _order(planes: _Planes, weight: Array, n_planes: int) -> Array:
    """Return the share `(h, w)` of the weight around a pixel that lies on two planes, about these, or between."""
    about = max(round(n_planes * _ABOUT), 1)
    if 4 * about + 2 >= n_planes:
        return np.ones(planes.shape, dtype=np.float32)
    height, width = planes.shape
    column = np.arange(width) // _BLOCK
    bands = [slice(y, y + _BLOCK) for y in range(0, height, _BLOCK)]
    on_plane = np.empty((len(bands), column[-1] + 1, n_planes), dtype=np.float32)
    for row, band in zip(on_plane, bands, strict=True):
        cells = column * n_planes + planes[band]
        row[:] = np.bincount(cells.ravel(), weight[band].ravel(), row.size).reshape(row.shape)
    for axis in (0, 1):
        uniform_filter1d(on_plane, _AROUND, axis, output=on_plane, mode="constant")
    total = on_plane.sum(axis=2)
    slope = _on_any(on_plane, 4 * about + 3).max(axis=2)
    near = _on_any(on_plane, 2 * about + 1)
    share, first = near.max(axis=2), near.argmax(axis=2)[..., None]
    near[np.abs(np.arange(n_planes) - first) <= 2 * about] = 0
    share = np.maximum(share + near.max(axis=2), slope)
    np.divide(share, total, out=share, where=total > 0)
    return np.asarray(share.repeat(_BLOCK, 0)[:height].repeat(_BLOCK, 1)[:, :width])


def _on_any(on_plane: Array, width: int) -> Array:
    """Return what lies on any of `width` planes, each plane being the middle one of its own."""
    return np.asarray(uniform_filter1d(on_plane, width, 2, mode="constant") * width)


def fill_unsure(planes: NDArray[Any], confidence: Array, sure: _Mask) -> NDArray[Any]:
    """Give pixels that are not sure the plane, or the depth, of their sure neighbours, smoothly.

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
        Where `planes` stands; at least one pixel.

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
