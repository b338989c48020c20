"""How a point looks out of focus: transfer functions of defocus, computed where they are simplest, in frequency.

A uniform disk of radius r px (geometric optics) has the transfer function 2 J1(x) / x with x = 2 pi r f
(Goodman, Introduction to Fourier Optics, section 6.4); aberrations and aperture stops soften it towards a Gaussian of
the same variance, r² / 4 along each axis. `disk_share` moves from Gaussian (0) to disk (1) at constant variance.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def radial_frequency(height: int, width: int, device: torch.device | None = None) -> Tensor:
    """Return the spatial frequency `(height, width // 2 + 1)` of a real transform, cycles per px."""
    fy = torch.fft.fftfreq(height, device=device)
    fx = torch.fft.rfftfreq(width, device=device)
    return torch.hypot(fy[:, None], fx[None, :])


def defocus_transfer(radius: Tensor, frequency: Tensor, disk_share: float) -> Tensor:
    """Return the transfer functions `(..., *frequency.shape)` of defocus.

    Parameters
    ----------
    radius
        `(...)`: blur radius, px, at least 0.
    frequency
        As from `radial_frequency`.
    disk_share
        Share of the variance that a uniform disk makes, in [0, 1]; a Gaussian makes the rest.
    """
    phase = 2 * math.pi * radius[..., None, None] * frequency
    x = (phase * math.sqrt(disk_share)).clamp(min=1e-4)
    disk: Tensor = 2 * torch.special.bessel_j1(x) / x
    gaussian = torch.exp(-(phase**2) * (1 - disk_share) / 8)
    return disk * gaussian
