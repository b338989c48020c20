"""The answer applied to raw data: a fused value is a convex mean of that pixel's measured values, or one of them.

Pure functions on arrays; n planes, K values a pixel (channels, colour samples).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# Rows per step: a step's float planes stay in the processor's cache.
_BAND_VALUES = 1 << 18


def compose_weights(
    raw: NDArray[Any],
    weights: NDArray[np.floating[Any]],
    gains: NDArray[np.float64],
    offsets: NDArray[np.float64],
) -> NDArray[Any]:
    """Return the weighted mean over planes, `(K, h, w)` in the type of `raw`.

    Parameters
    ----------
    raw
        `(n, K, h, w)`, native byte order.
    weights
        `(n, h, w)`, non-negative; normalised here over the planes that count. All zero counts as all equal.
    gains, offsets
        `(n, K)`: a plane's matched value is gain · raw + offset.

    Notes
    -----
    Integers are rounded and clipped, never wrapped; booleans are true where the mean is at least one half. NaN and
    infinite values are left out; where all weight lies on such planes the finite values are averaged, and a pixel
    with no finite value is NaN. Planes are summed as differences from one of them: equal planes give exactly their
    value.
    """
    channels, height, width = raw.shape[1:]
    out = np.empty((channels, height, width), dtype=raw.dtype)
    rows = max(_BAND_VALUES // max(width, 1), 1)
    for start in range(0, height, rows):
        band = slice(start, start + rows)
        shares = weights[:, band]
        total = shares.sum(axis=0)
        if not (total > 0).all():
            shares = np.where(total > 0, shares, 1)
        for k in range(channels):
            out[k, band] = _mean_of_planes(raw[:, k, band], shares, gains[:, k], offsets[:, k])
    return out


def compose_decision(
    raw: NDArray[Any],
    decision: NDArray[np.integer[Any]],
    gains: NDArray[np.float64],
    offsets: NDArray[np.float64],
) -> NDArray[Any]:
    """Return each pixel from the one plane that `decision` `(h, w)` names, `(K, h, w)` in the type of `raw`.

    Where that plane's value is not finite, the finite plane nearest in z stands in; NaN where there is none.
    """
    index = decision[None, None].astype(np.intp)
    if raw.dtype.kind == "f":
        index = _nearest_finite(np.isfinite(raw), index)
    chosen = np.take_along_axis(raw, np.broadcast_to(index, (1, *raw.shape[1:])), axis=0)[0]
    if _is_identity(gains, offsets):
        return np.asarray(chosen)
    working = working_dtype(raw.dtype)
    index = np.broadcast_to(index[0], chosen.shape)
    channel = np.arange(raw.shape[1])[:, None, None]
    matched = chosen * gains.astype(working)[index, channel] + offsets.astype(working)[index, channel]
    return to_dtype(matched, raw.dtype)


def compose_painted(
    composed: NDArray[Any],
    grey: NDArray[np.float32],
    *,
    share: NDArray[np.float64],
    low: NDArray[np.float64],
    span: NDArray[np.float64],
) -> NDArray[Any]:
    """Return `composed` `(K, h, w)` shifted so that its grey level becomes the `grey` `(h, w)` a decider painted.

    Grey is Σ_k share[k] · (value[k] − low[k]) / span[k], all `(K,)`. With one channel the result is the painted image
    in raw units; colours keep their differences, and values without share (alpha) stay as composed.
    """
    values = composed.astype(np.float64)
    deciding = np.flatnonzero(share)
    now = np.zeros(grey.shape)
    for k in deciding:
        now += (values[k] - low[k]) * share[k] / span[k]
    for k in deciding:
        values[k] += (grey - now) * span[k]
    return to_dtype(values, composed.dtype)


def confidence_of(focus: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Return how much one plane stands out, `(h, w)` in [0, 1]: 1 for one plane alone, 0 for all alike.

    (n − n_eff) / (n − 1) with n_eff = 1 / Σ focus², the effective number of planes (inverse Simpson index).
    """
    n = len(focus)
    total = focus.sum(axis=0, dtype=np.float32)
    squares = np.einsum("nhw,nhw->hw", focus, focus, dtype=np.float32)
    effective = total * total / np.maximum(squares, np.finfo(np.float32).tiny)
    return np.asarray(np.clip((n - effective) / max(n - 1, 1), 0, 1), dtype=np.float32)


def working_dtype(dtype: np.dtype[Any]) -> type[np.float32] | type[np.float64]:
    """Return the float type in which values of `dtype` are summed: float32 holds 16-bit values to ±0.01."""
    return np.float32 if dtype.itemsize <= 2 else np.float64


def to_dtype(values: NDArray[np.floating[Any]], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return `values` rounded, clipped to the range of `dtype`, and cast; floats are cast alone."""
    if dtype.kind == "b":
        return np.asarray(values >= 0.5)
    if dtype.kind == "f":
        return values.astype(dtype, copy=False)
    info = np.iinfo(dtype)
    # float64 rounds the largest 64-bit integers up, beyond the range: clip one step lower.
    top = values.dtype.type(info.max)
    if int(top) > info.max:
        top = np.nextafter(top, values.dtype.type(0))
    return np.asarray(np.clip(np.rint(values), values.dtype.type(info.min), top), dtype=dtype)


def _mean_of_planes(
    raw: NDArray[Any], weights: NDArray[np.floating[Any]], gains: NDArray[np.float64], offsets: NDArray[np.float64]
) -> NDArray[Any]:
    # raw, weights (n, h, w); gains, offsets (n,).
    working = working_dtype(raw.dtype)
    if raw.dtype.kind == "f":
        finite = np.isfinite(raw)
        if not finite.all():
            return _mean_of_finite(raw, finite, weights, gains, offsets)
    matched = not _is_identity(gains, offsets)

    def plane(i: int) -> NDArray[Any]:
        values = raw[i].astype(working)
        if matched:
            values *= working(gains[i])
            values += working(offsets[i])
        return np.asarray(values)

    first = plane(0)
    mean = np.zeros_like(first)
    total = weights[0].astype(working)
    for i in range(1, len(raw)):
        difference = plane(i)
        difference -= first
        difference *= weights[i]
        mean += difference
        total += weights[i]
    mean /= total
    mean += first
    return to_dtype(mean, raw.dtype)


def _mean_of_finite(
    raw: NDArray[Any],
    finite: NDArray[np.bool_],
    weights: NDArray[np.floating[Any]],
    gains: NDArray[np.float64],
    offsets: NDArray[np.float64],
) -> NDArray[Any]:
    values = np.where(finite, raw, 0).astype(np.float64) * gains[:, None, None] + offsets[:, None, None]
    shares = np.where(finite, weights, 0).astype(np.float64)
    shares = np.where(shares.sum(axis=0) > 0, shares, finite)
    total = shares.sum(axis=0)
    anchor = np.take_along_axis(values, finite.argmax(axis=0)[None], axis=0)[0]
    mean = np.full(total.shape, np.nan)
    np.divide(((values - anchor) * shares).sum(axis=0), total, out=mean, where=total > 0)
    return to_dtype(mean + anchor, raw.dtype)


def _nearest_finite(finite: NDArray[np.bool_], index: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return `index` with each entry moved to the nearest plane (n of `(n, K, h, w)`) that is finite there."""
    if finite.all():
        return index
    n = len(finite)
    distance = np.abs(np.arange(n)[:, None, None, None] - index)
    return np.asarray(np.where(finite, distance, n).argmin(axis=0)[None])


def _is_identity(gains: NDArray[np.float64], offsets: NDArray[np.float64]) -> bool:
    return bool((gains == 1).all() and (offsets == 0).all())
