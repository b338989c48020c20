"""How a point looks out of focus: transfer functions of defocus, computed where they are simplest, in frequency.

Three kinds (`Microscope.spread`):

"wave"
    Scalar wave optics of a round pupil: the point spread is the squared modulus of the pupil's Hankel transform, the
    pupil carrying the phase of defocus, n z (1 - sqrt(1 - (NA ρ / n)²)) / λ waves, and of spherical aberration,
    W040 (ρ⁴ - ρ²), balanced so that focus is where the image is sharpest (Goodman, Introduction to Fourier Optics,
    chapters 6 and 7; defocus exact instead of paraxial).
"disk"
    Geometric optics: a uniform disk of radius r px, whose transfer function is 2 J1(x) / x with x = 2 π r f.
"gaussian"
    A Gaussian of the variance of that disk, r² / 4 along each axis.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import torch
from scipy.special import j0, roots_legendre
from torch import Tensor

from napari_swinfusion.simulation.microscope import Microscope

# The table of wave optics: defocus in waves, frequency over NA / λ (the objective passes nothing beyond 2).
MAX_WAVES = 16.0
WAVE_STEP = 0.125
_FREQUENCIES = 401
_CUT_OFF = 2.0


def radial_frequency(height: int, width: int, device: torch.device | None = None) -> Tensor:
    """Return the spatial frequency `(height, width // 2 + 1)` of a real transform, cycles per px."""
    fy = torch.fft.fftfreq(height, device=device)
    fx = torch.fft.rfftfreq(width, device=device)
    return torch.hypot(fy[:, None], fx[None, :])


def shift_transfer(shifts: Tensor, height: int, width: int) -> Tensor:
    """Return the transfer functions `(m, height, width // 2 + 1)` of `shifts` `(m, 2)` along y and x, px."""
    fy = torch.fft.fftfreq(height, device=shifts.device)[:, None]
    fx = torch.fft.rfftfreq(width, device=shifts.device)
    return torch.exp(-2j * math.pi * (shifts[:, 0, None, None] * fy + shifts[:, 1, None, None] * fx))


def defocus_transfer(microscope: Microscope, distance: Tensor, frequency: Tensor) -> Tensor:
    """Return the transfer functions `(m, *frequency.shape)` of defocus.

    Parameters
    ----------
    distance
        `(m,)`: from focus, µm; farther than `MAX_WAVES` waves blurs no more.
    frequency
        As from `radial_frequency`, cycles per px.
    """
    if microscope.spread == "wave":
        return _wave_transfer(microscope, distance, frequency)
    radius = torch.hypot(distance * microscope.blur_radius(1.0), torch.full_like(distance, microscope.softness))
    x = 2 * math.pi * radius[:, None, None] * frequency
    if microscope.spread == "gaussian":
        return torch.exp(-(x**2) / 8)
    x = x.clamp(min=1e-4)
    disk: Tensor = 2 * torch.special.bessel_j1(x) / x
    return disk


def phase_transfer(microscope: Microscope, distance: Tensor, frequency: Tensor) -> Tensor:
    """Return the transfer `(m, *frequency.shape)` from a weak phase (radians) to relative contrast.

    2 sin(π λ z f² / n), which is nothing in focus and grows with defocus, damped by the disk over which the
    illumination's aperture smears it, and by what the objective passes in focus (after Streibl, J. Opt. Soc. Am. A 2,
    1985, with an envelope in place of the exact overlap of the apertures).
    """
    m = microscope
    f = frequency / m.pixel_size
    z = distance[:, None, None]
    smear = 2 * math.pi * z.abs() * f * m.coherence * m.numerical_aperture / m.refractive_index
    smear = smear.clamp(min=1e-4)
    sharp = _wave_transfer(m, torch.zeros_like(distance[:1]), frequency)
    wave = 2 * torch.sin(math.pi * m.wavelength * z * f**2 / m.refractive_index)
    contrast: Tensor = wave * (2 * torch.special.bessel_j1(smear) / smear) * sharp
    return contrast


def _wave_transfer(microscope: Microscope, distance: Tensor, frequency: Tensor) -> Tensor:
    table = _wave_table(microscope.numerical_aperture / microscope.refractive_index, microscope.spherical)
    table = table.to(frequency.device)
    place = (distance * microscope.waves(1.0) / WAVE_STEP + (len(table) - 1) / 2).clamp(0, len(table) - 1)
    rows = _between(table, place)
    column = (frequency * (_FREQUENCIES - 1) / (_CUT_OFF * microscope.sampling)).clamp(max=_FREQUENCIES - 1)
    return _between(rows.T, column.flatten()).T.reshape(-1, *frequency.shape)


def _between(rows: Tensor, place: Tensor) -> Tensor:
    """Return rows `(len(place), …)` at fractional places."""
    low = place.floor().clamp(max=len(rows) - 2).long()
    share = (place - low).unsqueeze(1)
    return torch.lerp(rows[low], rows[low + 1], share.to(rows.dtype))


@lru_cache(maxsize=64)
def _wave_table(aperture: float, spherical: float) -> Tensor:
    """Return the transfer `(defocus from -MAX_WAVES to MAX_WAVES, frequency from 0 to 2 NA / λ)`, float32.

    Lengths in λ / NA; `aperture` is NA / n.
    """
    node, weight = roots_legendre(384)
    rho, d_rho = (node + 1) / 2, weight / 2
    waves = np.arange(-MAX_WAVES, MAX_WAVES + WAVE_STEP / 2, WAVE_STEP)
    # Paraxially ρ²; the exact path of a high aperture is longer at the rim.
    path = 2 * (1 - np.sqrt(1 - (aperture * rho) ** 2)) / aperture**2
    phase = 2 * np.pi * (waves[:, None] * path + spherical * (rho**4 - rho**2))
    steepest = 2 * MAX_WAVES / math.sqrt(1 - aperture**2) + 4 * abs(spherical)
    step = 0.14  # the spread has no frequency above 2, so that a step below 0.25 misses nothing
    radius = np.arange(0, steepest + 8, step)
    field = (np.exp(1j * phase) * (rho * d_rho)) @ j0(2 * np.pi * rho[:, None] * radius)
    area = radius * step
    area[0] = step**2 / 12  # Euler and Maclaurin's share of the middle
    spread = np.abs(field) ** 2 * area
    frequency = np.linspace(0, _CUT_OFF, _FREQUENCIES)
    transfer = spread @ j0(2 * np.pi * radius[:, None] * frequency)
    transfer /= transfer[:, :1]
    transfer[:, -1] = 0
    return torch.from_numpy(transfer.astype(np.float32))
