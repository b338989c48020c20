"""Gain and offset of each plane, so that lamp drift and bleaching do not pass for focus.

Defocus moves light about but keeps its sum, so planes are compared by block means, never by pixels or contrast. Two
cases, told apart by where the background lies:

- Light background (brightfield, reflected light): the lamp scales everything. The gain is the robust centre, over
  blocks, of block / median of that block over all planes.
- Dark background (fluorescence): a camera offset and haze lie under sparse signal. The background level is matched
  by the offset; the gain is the ratio of the summed signal above background, used only where a jackknife over regions
  of the image calls it reliable, because sectioning microscopes do lose the light of what is out of focus.

The median plane is the reference, so the fused image keeps the level of the stack.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Background above this share of the bright end means that the lamp lights it.
_LIGHT_BACKGROUND = 0.4
# Corrections within the accuracy of the estimate are not made: values then stay exactly as measured.
_ACCURACY = 0.002
_MAX_GAIN = 4.0
_REGIONS = 6


@dataclass(frozen=True, kw_only=True)
class Illumination:
    """Matched value = gain · raw + offset.

    Attributes
    ----------
    gains, offsets
        float64 `(n, K)`.
    failed
        bool `(n,)`: planes with next to no light, which no gain can mend.
    """

    gains: NDArray[np.float64]
    offsets: NDArray[np.float64]
    failed: NDArray[np.bool_]


def no_match(n_planes: int, n_values: int) -> Illumination:
    """Return gains of 1 and offsets of 0."""
    return Illumination(
        gains=np.ones((n_planes, n_values)),
        offsets=np.zeros((n_planes, n_values)),
        failed=np.zeros(n_planes, dtype=bool),
    )


def match_illumination(
    thumbs: NDArray[np.float64], *, usable: NDArray[np.bool_], skip: NDArray[np.bool_]
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
    for k in np.flatnonzero(~skip):
        planes = thumbs[usable, k]
        if len(planes) < 2:
            continue
        gains, offsets = _match_planes(planes)
        failed = (gains > _MAX_GAIN) | (gains < 1 / _MAX_GAIN)
        gains[failed], offsets[failed] = 1.0, 0.0
        result.gains[usable, k], result.offsets[usable, k] = gains, offsets
        result.failed[np.flatnonzero(usable)[failed]] = True
    return result


def _match_planes(planes: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    n = len(planes)
    blocks = planes.reshape(n, -1)
    blocks = blocks[:, np.isfinite(blocks).all(axis=0)]
    identity = np.ones(n), np.zeros(n)
    if blocks.shape[1] == 0:
        return identity
    typical = np.median(blocks, axis=0)
    background, bright = np.median(typical), np.percentile(typical, 99.5)
    if background > _LIGHT_BACKGROUND * bright and typical.min() > 0:
        gains = 1 / np.array([_robust_centre(block / typical) for block in blocks])
        gains /= np.median(gains)
        return identity if np.abs(gains - 1).max() < _ACCURACY else (gains, np.zeros(n))
    return identity


def _robust_centre(values: NDArray[np.float64]) -> float:
    """Return the centre of the bulk: Tukey's biweight, a mean where all agree and a median where some do not."""
    centre = float(np.median(values))
    for _ in range(10):
        spread = float(np.median(np.abs(values - centre)))
        if spread == 0:
            break
        share = np.clip(1 - ((values - centre) / (6 * spread)) ** 2, 0, None) ** 2
        centre = float((share * values).sum() / share.sum())
    return centre
