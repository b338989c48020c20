"""Gain and offset of each plane, so that lamp drift and bleaching do not pass for focus.

Defocus moves light about but keeps its sum, so planes are compared by sums over blocks, never by pixels or contrast.
Two cases, told apart by where the background lies:

- Light background (brightfield, reflected light): the lamp scales everything. The gain is the robust centre, over
  blocks, of the mean of that block over all planes / block.
- Dark background (fluorescence): signal lies on a pedestal (camera offset, haze). A background that most of the image
  shows is matched by the offset. The gain is the ratio of the summed signal above the pedestal, and is used only where
  a jackknife over regions of the image calls it reliable: sectioning microscopes do lose the light of what is out of
  focus, and that is no fault of the lamp.

The median plane is the reference, so the fused image keeps the level of the stack.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Blocks = NDArray[np.float64]

# Background above this share of the bright end means that the lamp lights it.
_LIGHT_BACKGROUND = 0.4
# Background is seen by most of the image if half of it lies in this lowest part of the range.
_SPARSE = 0.1
# Corrections within the accuracy of the estimate are not made: values then stay exactly as measured.
_ACCURACY = 0.002
# A gain beyond this means that there was next to no light: light background, dark background.
_MOST_GAIN, _MOST_BLEACHING = 4.0, 1.5
# Largest standard error of a gain taken from sparse signal.
_RELIABLE = 0.015
_BLOCKS_ASIDE, _REGIONS_ASIDE = 32, 6


@dataclass(frozen=True, kw_only=True)
class Illumination:
    """Matched value = gain · raw + offset.

    Attributes
    ----------
    gains, offsets
        float64 `(n, K)`.
    unlit
        bool `(n,)`: planes with next to no light, which no gain can mend.
    """

    gains: NDArray[np.float64]
    offsets: NDArray[np.float64]
    unlit: NDArray[np.bool_]


def no_match(n_planes: int, n_values: int) -> Illumination:
    """Return gains of 1 and offsets of 0."""
    return Illumination(
        gains=np.ones((n_planes, n_values)),
        offsets=np.zeros((n_planes, n_values)),
        unlit=np.zeros(n_planes, dtype=bool),
    )


def estimate_illumination(
    thumbs: NDArray[np.floating[Any]], *, usable: NDArray[np.bool_], skip: NDArray[np.bool_]
) -> Illumination:
    """Estimate gain and offset of each plane and channel from block means.

    Parameters
    ----------
    thumbs
        `(n, K, th, tw)` block means, aligned; NaN where unknown.
    usable
        `(n,)`: planes to compare; others keep gain 1.
    skip
        `(K,)`: values that are not light (alpha).
    """
    result = no_match(*thumbs.shape[:2])
    planes = np.flatnonzero(usable)
    for k in np.flatnonzero(~skip):
        if len(planes) < 2:
            break
        # One plane at a time: the working copies are larger than the thumbnails.
        blocks = np.concatenate([_coarse(thumbs[i : i + 1, k], _BLOCKS_ASIDE) for i in planes])
        gains, offsets = _match_planes(blocks)
        unlit = (gains > _MOST_GAIN) | (gains < 1 / _MOST_GAIN)
        gains[unlit], offsets[unlit] = 1.0, 0.0
        result.gains[planes, k], result.offsets[planes, k] = gains, offsets
        result.unlit[planes[unlit]] = True
    return result


def _match_planes(planes: Blocks) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return gains and offsets `(n,)` of the blocks `(n, h, w)` of one channel."""
    n = len(planes)
    gains, offsets = np.ones(n), np.zeros(n)
    known = np.isfinite(planes).all(axis=0)
    if not known.any():
        return gains, offsets
    typical = planes.mean(axis=0)
    low, background, bright = np.percentile(typical[known], [1, 50, 99.5])
    if low > 0 and background >= _LIGHT_BACKGROUND * bright:
        lit = known & (typical > 0)
        inverse = [_robust_centre(plane[lit] / typical[lit], typical[lit]) for plane in planes]
        gains = np.median(inverse) / np.array(inverse)
    elif bright > low:
        sparse = background - low < _SPARSE * (bright - low)
        dark = known & (typical <= np.percentile(typical[known], 25))
        pedestal = float(typical[dark].mean()) if sparse else low
        rise, rise_error = _background_rise(planes, typical, dark)
        signal = np.where(known, planes - (pedestal + rise)[:, None, None], 0)
        gains = _energy_gains(signal, rise_error)
        offsets = pedestal - gains * (pedestal + rise)
    changes = np.abs(gains - 1).max() >= _ACCURACY or np.abs(offsets).max() >= _ACCURACY * abs(bright - low)
    return (gains, offsets) if changes else (np.ones(n), np.zeros(n))


def _background_rise(planes: Blocks, typical: Blocks, dark: NDArray[np.bool_]) -> tuple[Blocks, Blocks]:
    """Return how far each plane's background lies above the typical one, and the standard error of that, `(n,)`.

    A change of the background is the same all over the image, while haze is not: a rise counts as none unless it is
    clear against its scatter over regions and larger than what the dark blocks differ by among themselves.
    """
    differences = np.where(dark, planes - typical, 0)
    regions = _coarse(differences, _REGIONS_ASIDE).reshape(len(planes), -1)
    share = _coarse(dark[None].astype(np.float64), _REGIONS_ASIDE).reshape(-1)
    means = regions[:, share > 0] / share[share > 0]
    rise = np.median(means, axis=1)
    rise -= np.median(rise)
    # 1.48 and 1.25 turn the median deviation into a standard deviation, and its error into that of the median.
    scatter = 1.48 * np.median(np.abs(means - np.median(means, axis=1, keepdims=True)), axis=1)
    error = 1.25 * scatter / np.sqrt(means.shape[1])
    clear = (np.abs(rise) > 8 * error) & (np.abs(rise) > np.ptp(typical[dark]))
    return np.where(clear, rise, 0.0), error


def _energy_gains(signal: Blocks, background_error: Blocks) -> NDArray[np.float64]:
    """Return gains `(n,)` that equal the summed signal `(n, h, w)` of all planes, 1 where they are not reliable."""
    n = len(signal)
    regions = _coarse(signal, _REGIONS_ASIDE).reshape(n, -1)
    count = regions.shape[1]
    total = regions.sum(axis=1)
    left = total[:, None] - regions  # each column leaves one region out
    if count < 2 or (total <= 0).any() or (left <= 0).any():
        return np.ones(n)
    change = np.log(np.median(total) / total)
    without = np.log(np.median(left, axis=0) / left)
    scatter = (count - 1) / count * ((without - without.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)
    error = np.sqrt(scatter + (background_error * count / total) ** 2)
    trusted = (error < _RELIABLE) & (np.abs(change) > 3 * error) & (np.abs(change) < np.log(_MOST_BLEACHING))
    return np.where(trusted & (np.median(error) < _RELIABLE), np.exp(change), 1.0)


def _robust_centre(values: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    """Return the centre of the bulk: Tukey's biweight, a mean where all agree, blind to what disagrees."""
    centre = float(np.median(values))
    for _ in range(10):
        spread = float(np.median(np.abs(values - centre)))
        if spread == 0:
            break
        share = weights * np.clip(1 - ((values - centre) / (9 * spread)) ** 2, 0, None) ** 2
        centre = float((share * values).sum() / share.sum())
    return centre


def _coarse(planes: NDArray[np.floating[Any]], side: int) -> Blocks:
    """Return means of the finite values in at most `side` × `side` parts of `(n, h, w)`; NaN where there are none."""
    finite = np.isfinite(planes)
    sums, counts = np.where(finite, planes, 0).astype(np.float64), finite.astype(np.float64)
    for axis in (1, 2):
        size = planes.shape[axis]
        starts = np.linspace(0, size, min(side, size), endpoint=False).astype(int)
        sums, counts = (np.add.reduceat(part, starts, axis=axis) for part in (sums, counts))
    return np.asarray(np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0))
