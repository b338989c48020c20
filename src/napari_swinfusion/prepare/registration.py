"""Lateral shift of each plane, chained from neighbour to neighbour, because distant planes do not look alike.

Cross-correlation of band-passed planes in the Fourier domain. Unlike in plain phase correlation the spectrum is not
whitened: that would favour the camera's fixed pattern and noise, which do not move, over defocused structure, which
does. Shifts are estimated to a fraction of a pixel and reported; what is applied is whole pixels, so that values stay
as measured.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# What the correlation must reach, over the square root of the number of pixels. Unrelated noise, band-passed as here,
# scatters by about 2.5 of this unit, and the peak is the largest of many.
_LEAST_CORRELATION = 30.0
# From this distance on, px, a whole pixel lies nearer than none.
_CLEAR = 0.5
# Of the side of the image; and the side below which nothing is measured.
_FARTHEST, _SMALLEST_SIDE = 0.25, 16


@dataclass(frozen=True, kw_only=True)
class Shifts:
    """How far each plane is to be moved to lie on the middle plane.

    Attributes
    ----------
    measured
        float64 `(n, 2)` [dy, dx] in px.
    refused
        Planes whose shift against the neighbour nearer the middle did not raise the correlation: they take that
        neighbour's shift.
    """

    measured: NDArray[np.float64]
    refused: tuple[int, ...]

    @property
    def whole(self) -> NDArray[np.int64]:
        """The shifts in whole pixels, which are applied."""
        return np.rint(self.measured).astype(np.int64)

    @property
    def largest(self) -> float:
        """Largest distance between two planes along y or x, px."""
        return float(np.ptp(self.measured, axis=0).max())


def measure_shifts(
    read: Callable[[int], NDArray[np.float32]], usable: NDArray[np.bool_], shape: tuple[int, int], *, scale: float = 1.0
) -> Shifts:
    """Measure the shift of each plane against the middle one.

    Parameters
    ----------
    read
        Returns plane i, `(h, w)`; called anew for each look, so that a stack need not be held.
    usable
        `(n,)`: planes to look at; the others go with their neighbour.
    shape
        (h, w). Images under 16 px a side are too small to tell: their shifts are 0.
    scale
        Image px per pixel of what `read` returns.
    """
    if min(shape) < _SMALLEST_SIDE:
        return Shifts(measured=np.zeros((len(usable), 2)), refused=())
    chosen = np.flatnonzero(usable)
    measured, refused = _chain(lambda i: read(int(chosen[i])), len(chosen), shape)
    nearest = np.abs(np.arange(len(usable))[:, None] - chosen).argmin(axis=1)
    return Shifts(measured=measured[nearest] * scale, refused=tuple(sorted(int(chosen[i]) for i in refused)))


def _chain(
    read: Callable[[int], NDArray[np.float32]], n: int, shape: tuple[int, int]
) -> tuple[NDArray[np.float64], list[int]]:
    """Return shifts `(n, 2)` and refused planes, walking from the middle plane outwards."""
    middle = n // 2
    band = _Band(*shape)
    measured = np.zeros((n, 2))
    refused = []
    for chain in (range(middle, n), range(middle, -1, -1)):
        spectrum = band.spectrum(read(middle))
        for at, i in enumerate(chain[1:], start=1):
            towards, spectrum_towards = chain[at - 1], spectrum
            spectrum = band.spectrum(read(i))
            measured[i] = measured[towards] + band.peak(spectrum_towards, spectrum)
            if not _is_better(read, band, measured, i, chain[:at]):
                refused.append(i)
                measured[i] = measured[towards]
    return measured, refused


def correlation(fixed: NDArray[np.float32], moving: NDArray[np.float32], shift: tuple[int, int]) -> float:
    """Return Pearson's r of `fixed` and `moving` moved by `shift`, over their overlap; 0 where it is undefined."""
    (fy, my), (fx, mx) = (_overlap(step, size) for step, size in zip(shift, fixed.shape, strict=True))
    a, b = fixed[fy, fx].ravel(), moving[my, mx].ravel()
    if a.size < 16:
        return 0.0
    a, b = a - a.mean(), b - b.mean()
    norm = float(np.sqrt(a @ a) * np.sqrt(b @ b))
    return float(a @ b) / norm if norm > 0 else 0.0


def _is_better(
    read: Callable[[int], NDArray[np.float32]],
    band: _Band,
    measured: NDArray[np.float64],
    moving: int,
    nearer: range,
) -> bool:
    """Tell whether the shift of plane `moving` raises its correlation with the nearest plane it is a pixel away from.

    A drift of a fifth of a pixel per plane cannot be judged between neighbours, where a whole pixel overshoots; so each
    shift is judged against the nearest plane towards the middle from which it differs by about a pixel.
    """
    size = np.array(band.shape)
    for towards in reversed(nearer):
        difference = measured[moving] - measured[towards]
        if np.abs(difference).max() < _CLEAR:
            continue
        if (np.abs(difference) > _FARTHEST * size).any():
            return False
        dy, dx = (int(step) for step in np.rint(difference))
        fixed, moved = band.filtered(read(towards)), band.filtered(read(moving))
        before, after = correlation(fixed, moved, (0, 0)), correlation(fixed, moved, (dy, dx))
        return bool(after > before and after > _LEAST_CORRELATION / np.sqrt(size.prod()))
    return True


class _Band:
    """The frequencies that tell the shift: noise has no pattern, and uneven lighting does not move."""

    def __init__(self, height: int, width: int) -> None:
        self.shape = (height, width)
        square = np.fft.fftfreq(height)[:, None] ** 2 + np.fft.rfftfreq(width)[None] ** 2
        fine, broad = 1.0, max(min(height, width) / 32, 2.0)  # standard deviations of Gaussians, px
        low = [np.exp(-2 * np.pi**2 * sigma**2 * square) for sigma in (fine, broad)]
        self._transfer = (low[0] - low[1]).astype(np.float32)
        # A window that falls to zero at the border, which would otherwise correlate with itself at no shift.
        window = np.outer(np.hanning(height + 2)[1:-1], np.hanning(width + 2)[1:-1])
        self._window = window.astype(np.float32)

    def spectrum(self, plane: NDArray[np.float32]) -> NDArray[np.complex64]:
        """Return the filtered spectrum of a windowed plane."""
        from scipy.fft import rfft2

        return np.asarray(rfft2((plane - plane.mean()) * self._window) * self._transfer)

    def filtered(self, plane: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the filtered plane."""
        from scipy.fft import irfft2, rfft2

        return np.asarray(irfft2(rfft2(plane - plane.mean()) * self._transfer, s=self.shape))

    def peak(self, fixed: NDArray[np.complex64], moving: NDArray[np.complex64]) -> NDArray[np.float64]:
        """Return [dy, dx] that moves `moving` onto `fixed`, to a fraction of a pixel by a parabola through the peak."""
        from scipy.fft import irfft2

        surface = np.asarray(irfft2(fixed * moving.conj(), s=self.shape))
        top = np.unravel_index(int(surface.argmax()), surface.shape)
        shift = []
        for axis, size in enumerate(self.shape):
            line = np.moveaxis(surface, axis, 0)[:, top[1 - axis]]
            below, peak, above = (float(line[(top[axis] + step) % size]) for step in (-1, 0, 1))
            curvature = below - 2 * peak + above
            place = float(top[axis]) + (0.5 * (below - above) / curvature if curvature < 0 else 0.0)
            shift.append(place - size if place > size / 2 else place)
        return np.array(shift)


def _overlap(shift: int, size: int) -> tuple[slice, slice]:
    return slice(max(shift, 0), min(size + shift, size)), slice(max(-shift, 0), min(size - shift, size))
