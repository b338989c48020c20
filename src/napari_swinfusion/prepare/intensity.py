"""Grey levels for deciding: one linear form per plane that takes raw channels to about [0, 1].

The numbers are computed once per time point from a sample of all planes, so that no tile, plane or channel gets a
contrast of its own. Nothing is clipped: values may leave [0, 1].
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_swinfusion.errors import InputError
from napari_swinfusion.focal_stack import FocalStack
from napari_swinfusion.prepare.survey import Survey

# Rec. 709 luma. A second or fourth colour sample is alpha: it says nothing about focus.
_LUMA = {1: (1.0,), 2: (1.0, 0.0), 3: (0.2126, 0.7152, 0.0722), 4: (0.2126, 0.7152, 0.0722, 0.0)}
_PERCENTILES = (0.1, 99.9)


@dataclass(frozen=True, kw_only=True)
class GreyScale:
    """The linear form: grey of plane i = Σ_k slope[i, k] · raw[i, k] + intercept[i].

    Attributes
    ----------
    slope, intercept
        float64 `(n, K)` and `(n,)`; illumination gains and offsets are folded in.
    share
        float64 `(K,)`: how much each channel and colour sample counts; 0 where it takes no part.
    low, span
        float64 `(K,)`: the matched level that becomes 0, and its distance to the one that becomes 1.
    """

    slope: NDArray[np.float64]
    intercept: NDArray[np.float64]
    share: NDArray[np.float64]
    low: NDArray[np.float64]
    span: NDArray[np.float64]

    def apply(self, raw: NDArray[np.generic], plane: int) -> NDArray[np.float32]:
        """Return the grey image `(h, w)` of one plane from its raw channels `(K, h, w)`."""
        # Sixteen bits and half or single floats are exact in float32; wider types need float64 until scaled.
        dtype = np.float64 if raw.dtype.itemsize > 2 and raw.dtype != np.float32 else np.float32
        grey = np.full(raw.shape[1:], self.intercept[plane], dtype=dtype)
        for channel in np.flatnonzero(self.slope[plane]):
            grey += raw[channel] * dtype(self.slope[plane, channel])
        return grey.astype(np.float32, copy=False)


def luma(n_samples: int) -> NDArray[np.float64]:
    """Return the share of each colour sample in luminance; alpha has none."""
    return np.array(_LUMA.get(n_samples, (1 / n_samples,) * n_samples))


def alpha_samples(stack: FocalStack) -> NDArray[np.bool_]:
    """Return `(K,)`: which values of a pixel are alpha and take no part in deciding or matching."""
    return np.tile(luma(stack.size("S")) == 0, stack.size("C"))


def deciding_channels(stack: FocalStack, decide_on: int | str | None) -> list[int]:
    """Return the channels of axis C that decide: all for None, else the one of that index or name.

    Raises
    ------
    InputError
        If there is no such channel.
    """
    count, names = stack.size("C"), stack.metadata.channel_names
    if decide_on is None:
        return list(range(count))
    if isinstance(decide_on, str) and decide_on in names:
        return [names.index(decide_on)]
    if isinstance(decide_on, int) and 0 <= decide_on < count:
        return [decide_on]
    known = ", ".join([*(str(i) for i in range(count)), *names])
    raise InputError(f"'{stack.name}' has no channel {decide_on!r} to decide on; choose one of {known}.")


def grey_scale(
    stack: FocalStack,
    seen: Survey,
    gains: NDArray[np.float64],
    offsets: NDArray[np.float64],
    decide_on: int | str | None,
    usable: NDArray[np.bool_],
) -> GreyScale:
    """Compute the linear form from the sample; `gains` and `offsets` are `(n, K)`.

    Planes that are not `usable` `(n,)` have no say: a saturated one would leave the others next to no range.
    Channels that hold one single value are left out of the mean, unless all do: then grey is 0 everywhere.
    """
    n_samples = stack.size("S")
    shares = luma(n_samples)
    ranges: dict[int, tuple[float, float]] = {}
    for channel in deciding_channels(stack, decide_on):
        part = slice(channel * n_samples, (channel + 1) * n_samples)
        light = gains[usable, part, None, None], offsets[usable, part, None, None]
        matched = seen.sample[usable, part] * light[0] + light[1]
        ranges[channel] = robust_range(np.einsum("nkpm,k->npm", matched, shares))
    varying = [channel for channel, (low, high) in ranges.items() if high > low]
    # Of a matched value m: grey = Σ_k share[k] · (m[k] − low[k]) / span[k].
    share, low, span = np.zeros(stack.n_values), np.zeros(stack.n_values), np.ones(stack.n_values)
    for channel in varying:
        part = slice(channel * n_samples, (channel + 1) * n_samples)
        share[part] = shares / len(varying)
        low[part], span[part] = ranges[channel][0], ranges[channel][1] - ranges[channel][0]
    return GreyScale(
        slope=gains * share / span,
        intercept=((offsets - low) * share / span).sum(axis=1),
        share=share,
        low=low,
        span=span,
    )


def robust_range(pairs: NDArray[np.float64]) -> tuple[float, float]:
    """Return the levels that stand for dark and bright, from pixels beside their neighbour `(n, 2, m)`.

    A hot or dead pixel is alone, so the bright end is taken from the smaller of each pair and the dark end from the
    larger: isolated pixels of any number up to a few percent cannot stretch the range, while objects that
    cover one percent still set it. A stack with next to no variation falls back to its extremes.
    """
    # Two arrays instead of one of two rows: along so short an axis numpy takes ten times as long.
    larger, smaller = np.maximum(pairs[:, 0], pairs[:, 1]), np.minimum(pairs[:, 0], pairs[:, 1])
    finite = np.isfinite(larger) & np.isfinite(smaller)
    if not finite.any():
        return 0.0, 0.0
    larger, smaller = larger[finite], smaller[finite]
    low = float(np.percentile(larger, _PERCENTILES[0]))
    high = float(np.percentile(smaller, _PERCENTILES[1]))
    return (low, high) if high > low else (float(smaller.min()), float(larger.max()))
