"""One pass over the planes of a time point that gathers all that prepare needs to know, and keeps no plane."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.measure import block_reduce

from napari_swinfusion.focal_stack import FocalStack

_THUMB_SIDE, _THUMB_VALUES = 512, 1 << 23
_SAMPLE_VALUES = 1 << 18


@dataclass(frozen=True, kw_only=True)
class Survey:
    """What one look at each plane tells.

    Attributes
    ----------
    thumbs
        `(n, K, th, tw)`: means of the finite pixels of blocks of `step` × `step` px; NaN where there are none.
    sample
        float64 `(n, K, 2, m)`: an even sample of finite pixels, each beside its right neighbour; the pair lets
        `intensity` tell a hot pixel from a small object. NaN where a pixel is not finite.
    non_finite
        `(n,)`: pixels that are NaN or infinite in any channel.
    constant
        `(n, K)`: whether a plane holds one single value in that channel.
    step
        Side of a block, px.
    """

    thumbs: NDArray[np.floating[Any]]
    sample: NDArray[np.float64]
    non_finite: NDArray[np.int64]
    constant: NDArray[np.bool_]
    step: int


def survey(stack: FocalStack, time: int) -> Survey:
    """Read each plane of one time point once."""
    side = min(_THUMB_SIDE, math.isqrt(_THUMB_VALUES // (stack.n_planes * stack.n_values)))
    step = -(-max(stack.height, stack.width) // max(side, 1))
    rows, columns = _sample_grid(stack)
    thumbs, samples, non_finite, constant = [], [], [], []
    for plane in range(stack.n_planes):
        values = stack.read(time, plane=plane)[0]
        bad = ~np.isfinite(values) if values.dtype.kind == "f" else None
        non_finite.append(0 if bad is None else int(bad.any(axis=0).sum()))
        if bad is not None and not non_finite[-1]:
            bad = None
        thumbs.append([_block_means(values[k], step, None if bad is None else bad[k]) for k in range(len(values))])
        right = np.minimum(columns + 1, stack.width - 1)
        pairs = np.stack([values[:, rows[:, None], columns], values[:, rows[:, None], right]], axis=1)
        pairs = pairs.reshape(*pairs.shape[:2], -1).astype(np.float64)
        pairs[~np.isfinite(pairs)] = np.nan
        samples.append(pairs)
        constant.append([_is_constant(values[k], pairs[k]) for k in range(len(values))])
    return Survey(
        thumbs=np.array(thumbs),
        sample=np.array(samples),
        non_finite=np.array(non_finite, dtype=np.int64),
        constant=np.array(constant, dtype=bool),
        step=step,
    )


def _sample_grid(stack: FocalStack) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    wanted = max(_SAMPLE_VALUES // (stack.n_planes * stack.n_values), 4096)
    stride = max(int(np.sqrt(stack.height * stack.width / wanted)), 1)
    return np.arange(stride // 2, stack.height, stride), np.arange(stride // 2, stack.width, stride)


def _block_means(values: NDArray[Any], step: int, bad: NDArray[np.bool_] | None) -> NDArray[np.floating[Any]]:
    # Sums of a few 16-bit values are exact in float32; wider types need float64.
    working = np.float32 if values.dtype.itemsize <= 2 else np.float64
    pixels = values.astype(working)

    def block_sums(pixels: NDArray[Any]) -> NDArray[Any]:
        # Rows first: whole rows add up fast, which leaves little to add across.
        rows = block_reduce(pixels, (step, 1), np.sum)  # type: ignore[no-untyped-call]
        return np.asarray(block_reduce(rows, (1, step), np.sum))  # type: ignore[no-untyped-call]

    if bad is None:
        counts = np.outer(*(np.diff([*range(0, side, step), side]) for side in values.shape))
        return np.asarray(block_sums(pixels) / counts.astype(working))
    counts = block_sums((~bad).astype(working))
    pixels[bad] = 0
    return np.asarray(np.divide(block_sums(pixels), counts, out=np.full_like(counts, np.nan), where=counts > 0))


def _is_constant(values: NDArray[np.generic], sample: NDArray[np.float64]) -> bool:
    # The sample answers for almost every plane; only where it is constant are all pixels looked at.
    if np.nanmin(sample, initial=np.inf) < np.nanmax(sample, initial=-np.inf):
        return False
    finite = values[np.isfinite(values)]
    return finite.size == 0 or bool((finite == finite[0]).all())
