"""Lateral shift of each plane, chained from neighbour to neighbour, because distant planes do not look alike.

Phase correlation after Guizar-Sicairos et al., Optics Letters 33 (2008) 156, on gently band-passed planes. Shifts are
estimated to a tenth of a pixel and reported; what is applied is whole pixels, so that values stay as measured.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# A shift must raise the correlation of neighbours by this much, or it is noise.
_LEAST_GAIN = 1e-3
_UPSAMPLE = 10


@dataclass(frozen=True, kw_only=True)
class Shifts:
    """How far each plane is to be moved to lie on the middle plane.

    Attributes
    ----------
    measured
        float64 `(n, 2)` [dy, dx] in px.
    refused
        Indices of planes whose shift against the neighbour nearer the middle lowered the correlation; 0 was taken.
    """

    measured: NDArray[np.float64]
    refused: tuple[int, ...]

    @property
    def whole(self) -> NDArray[np.int64]:
        """The shifts in whole pixels, which are applied."""
        return np.rint(self.measured).astype(np.int64)

    @property
    def spread(self) -> float:
        """Largest distance between two planes along y or x, px."""
        return float(np.ptp(self.measured, axis=0).max())


def measure_shifts(planes: NDArray[np.float32], *, scale: float = 1.0) -> Shifts:
    """Measure the shift of each plane of `(n, h, w)` against the middle one; `scale` is px per pixel of `planes`."""
    n = len(planes)
    middle = n // 2
    measured = np.zeros((n, 2))
    refused = []
    filtered = [_band_pass(plane) for plane in planes]
    for i in [*range(middle + 1, n), *range(middle - 1, -1, -1)]:
        towards = i - 1 if i > middle else i + 1
        step = _shift_between(filtered[towards], filtered[i])
        if step is None:
            refused.append(i)
            step = np.zeros(2)
        measured[i] = measured[towards] + step
    return Shifts(measured=measured * scale, refused=tuple(sorted(refused)))


def _band_pass(plane: NDArray[np.float32]) -> NDArray[np.float32]:
    # Pixel noise and uneven lighting both hide the shift: the one has no pattern, the other does not move.
    from scipy.ndimage import gaussian_filter

    broad = max(min(plane.shape) / 16, 2.0)
    return np.asarray(gaussian_filter(plane, 1.0) - gaussian_filter(plane, broad), dtype=np.float32)


def _shift_between(fixed: NDArray[np.float32], moving: NDArray[np.float32]) -> NDArray[np.float64] | None:
    """Return [dy, dx] that moves `moving` onto `fixed`, or None where that lowers their correlation."""
    from skimage.registration import phase_cross_correlation

    window = np.outer(np.hanning(fixed.shape[0] + 2)[1:-1], np.hanning(fixed.shape[1] + 2)[1:-1])
    shift, _, _ = phase_cross_correlation(  # type: ignore[no-untyped-call]
        fixed * window, moving * window, upsample_factor=_UPSAMPLE, normalization=None
    )
    shift = np.asarray(shift, dtype=np.float64)
    whole = np.rint(shift).astype(int)
    if not whole.any():
        return shift
    before, after = correlation(fixed, moving, (0, 0)), correlation(fixed, moving, (int(whole[0]), int(whole[1])))
    return shift if after > before + _LEAST_GAIN else None


def correlation(fixed: NDArray[np.float32], moving: NDArray[np.float32], shift: tuple[int, int]) -> float:
    """Return Pearson's r of `fixed` and `moving` moved by `shift`, over their overlap; 0 where it is undefined."""
    (fy, my), (fx, mx) = (_overlap(s, size) for s, size in zip(shift, fixed.shape, strict=True))
    a, b = fixed[fy, fx].astype(np.float64), moving[my, mx].astype(np.float64)
    if a.size < 16:
        return 0.0
    a, b = a - a.mean(), b - b.mean()
    norm = np.sqrt((a * a).sum() * (b * b).sum())
    return float((a * b).sum() / norm) if norm > 0 else 0.0


def _overlap(shift: int, size: int) -> tuple[slice, slice]:
    return slice(max(shift, 0), min(size + shift, size)), slice(max(-shift, 0), min(size - shift, size))
