"""Guards against what a focus measure does on its own: follow noise, mix two depths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_swinfusion.decide.base import GreyPlanes
from napari_swinfusion.decide.filters import Array
from napari_swinfusion.tiling import Box

# A peak with this part of the best plane's share is an object of its own, if a valley parts it from the best one.
_SECOND = 0.2
# A valley is lower than this part of the peak before it. Of two planes, which have no valley between them, one with
# this part of the other's share counts as nearly as sharp.
_HALF = 0.5

# Variance of rounding to 12 bits: no camera is quieter.
_ROUNDING = np.float32(1 / (12 * 4095**2))

_BLOCK = 8
_SAMPLE = 128
_SAMPLED_PLANES = 8
# Block variances of white Gaussian noise after `_residual`, 8 px blocks: their lower fifth lies at this part of the
# mean (measured once over 65,536 blocks; it depends on nothing but the mask and the block).
_LOWER_FIFTH = 0.729


@dataclass(frozen=True, kw_only=True)
class NoiseFloor:
    """Noise variance of one plane as a line over grey: read noise plus photon noise.

    Attributes
    ----------
    offset
        Variance at grey 0.
    slope
        Variance added per unit of grey.
    """

    offset: float
    slope: float

    def variance(self, grey: Array) -> Array:
        """Return the variance expected at `grey`, never below that of a 12-bit rounding."""
        line: Array = np.float32(self.offset) + np.float32(self.slope) * grey
        return np.maximum(line, _ROUNDING)


def noise_floor(planes: GreyPlanes) -> NoiseFloor:
    """Estimate the noise of a stack once, before it is tiled.

    Some planes are out of focus anywhere, so that at each brightness the quietest blocks hold little but noise.
    Blocks of 8 px are filtered with the difference of two Laplacians (Immerkaer, Comput. Vis. Image Underst. 64, 1996),
    sorted into eight classes of brightness, and a line is laid through the lower fifth of each class.
    """
    means, variances = _block_statistics(planes)
    lit = variances > 0  # saturated and masked blocks say nothing about the noise
    if lit.sum() < _BLOCK:
        return NoiseFloor(offset=0.0, slope=0.0)
    means, variances = means[lit], variances[lit]
    classes = np.array_split(np.argsort(means, kind="stable"), 8)
    points = [
        (means[members].mean(), np.percentile(variances[members], 20) / _LOWER_FIFTH, len(members))
        for members in classes
        if len(members)
    ]
    return _line(*(np.array(column, dtype=np.float64) for column in zip(*points, strict=True)))


def _line(x: NDArray[Any], y: NDArray[Any], weight: NDArray[Any]) -> NoiseFloor:
    """Lay a line of non-negative offset and slope through points, each counted relative to its own height."""
    scale = weight / np.maximum(y, y.max() * 1e-3) ** 2
    centre = np.average(x, weights=scale)
    height = np.average(y, weights=scale)
    spread = np.average((x - centre) ** 2, weights=scale)
    slope = 0.0 if spread == 0 else max(float(np.average((x - centre) * (y - height), weights=scale) / spread), 0.0)
    offset = float(height - slope * centre)
    if offset >= 0:
        return NoiseFloor(offset=offset, slope=slope)
    return NoiseFloor(offset=0.0, slope=float(np.average(x * y, weights=scale) / np.average(x * x, weights=scale)))


def _block_statistics(planes: GreyPlanes) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    chosen = sorted({round(k) for k in np.linspace(0, planes.n_planes - 1, _SAMPLED_PLANES)})
    parts = [
        _blocks(planes.grey(Box(y, y1, x, x1), plane)[0])
        for plane in chosen
        for y, y1 in _samples(planes.height)
        for x, x1 in _samples(planes.width)
    ]
    return np.concatenate([mean for mean, _ in parts]), np.concatenate([variance for _, variance in parts])


def _samples(size: int) -> list[tuple[int, int]]:
    """Return up to four evenly spread spans of 128 px."""
    if size <= _SAMPLE:
        return [(0, size)]
    starts = np.linspace(0, size - _SAMPLE, min(4, size // _SAMPLE)).round().astype(int)
    return [(int(start), int(start) + _SAMPLE) for start in starts]


def _blocks(plane: Array) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and noise variance of each whole block of `plane`."""
    image = plane.astype(np.float64)
    rows, columns = (image.shape[0] - 2) // _BLOCK, (image.shape[1] - 2) // _BLOCK
    if rows < 1 or columns < 1:
        return np.empty(0), np.empty(0)
    second = image[:-2] - 2 * image[1:-1] + image[2:]
    residual = (second[:, :-2] - 2 * second[:, 1:-1] + second[:, 2:]) / 6  # the mask's squares sum to 36
    blocks = (slice(0, rows * _BLOCK), slice(0, columns * _BLOCK))
    shape = (rows, _BLOCK, columns, _BLOCK)
    mean = image[1:-1, 1:-1][blocks].reshape(shape).mean(axis=(1, 3))
    return mean.ravel(), (residual[blocks] ** 2).reshape(shape).mean(axis=(1, 3)).ravel()


def prefer_plane(focus: Array, prefer: Literal["top", "bottom"]) -> Array:
    """Where two separate planes are sharp at one pixel, give it to the one nearer the top or bottom of the stack.

    Through a transparent object both it and what lies behind can be in focus. A plane is a candidate if it is a
    peak along z with at least a fifth of the best one's share, and a valley under half of its own share parts it from
    the best; so the two planes that border one focus are not mistaken for two objects. All that lies beyond the
    valley behind the chosen peak is then left out. Of two planes the asked one is taken if it has at least half of the
    other's share.

    Parameters
    ----------
    focus
        `(n, h, w)`, non-negative, summing to 1 over n.
    prefer
        "top" is the first plane of the stack, "bottom" the last.

    Returns
    -------
    `(n, h, w)`, summing to 1 over n; unchanged where there is but one peak.
    """
    if prefer == "bottom":
        return prefer_plane(focus[::-1], "top")[::-1]
    best, highest = focus.argmax(axis=0), focus.max(axis=0)
    chosen, lowest = best.copy(), highest.copy()
    for k in reversed(range(len(focus) - 1)):
        share, above = focus[k], best > k
        if len(focus) == 2:
            another = share >= _HALF * highest
        else:
            another = _is_peak(focus, k) & (lowest < _HALF * share) & (share >= _SECOND * highest)
        chosen[above & another] = k
        np.minimum(lowest, share, out=lowest, where=above)
    return _cut_beyond_valley(focus, chosen, where=chosen < best)


def prefer_in_answer(weights: Array, focus: Array, prefer: Literal["top", "bottom"]) -> tuple[Array, Array]:
    """Apply `prefer_plane` to a whole answer: return weights and focus, `(n, h, w)`.

    Peaks are sought in `focus`, which says how sharp each plane is; weights alone may hide them, as those of a guarded
    measure do, which name one plane and the mean. Where the preference moves a pixel, its weights become its focus.
    """
    preferred = prefer_plane(focus, prefer)
    moved = (preferred != focus).any(axis=0)
    return np.where(moved, preferred, weights), preferred


def _is_peak(focus: Array, k: int) -> NDArray[np.bool_]:
    """Tell where plane `k`, not the last, is no less sharp than its neighbours along z."""
    peak: NDArray[np.bool_] = (focus[k] >= focus[max(k - 1, 0)]) & (focus[k] >= focus[k + 1])
    return peak


def _cut_beyond_valley(focus: Array, chosen: NDArray[np.intp], where: NDArray[np.bool_]) -> Array:
    """Leave out, `where` asked, the planes from the first rise after `chosen` on, and share out the rest."""
    kept = focus.copy()
    beyond = np.zeros_like(where)
    for k in range(1, len(focus)):
        beyond |= where & (chosen < k) & (focus[k] > focus[k - 1])
        kept[k][beyond] = 0
    np.divide(kept, kept.sum(axis=0), out=kept, where=where)
    return kept
