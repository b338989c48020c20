"""What changes from plane to plane while a stack is taken: lamp, dye and stage."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from napari_swinfusion.simulation.optics import shift_transfer


@dataclass(frozen=True, kw_only=True)
class Acquisition:
    """How steady lamp, dye and stage are.

    Attributes
    ----------
    lamp_drift
        Greatest relative deviation of the lamp from plane to plane, uniformly drawn.
    bleaching
        Share of the light lost from the first plane to the last, exponentially.
    vignetting
        Share of the light missing in the corners, equal in all planes.
    lateral_drift
        Way of the stage from the first plane to the last, px, straight in a drawn direction.
    jitter
        Standard deviation of each plane's shift along each axis, px.
    """

    lamp_drift: float = 0.05
    bleaching: float = 0.0
    vignetting: float = 0.0
    lateral_drift: float = 0.0
    jitter: float = 0.0

    def lamp(self, n_planes: int, generator: torch.Generator) -> Tensor:
        """Return the relative brightness `(n_planes,)`."""
        fade = (1 - self.bleaching) ** torch.linspace(0, 1, n_planes)
        return fade * (1 + self.lamp_drift * (2 * torch.rand(n_planes, generator=generator) - 1))

    def shifts(self, n_planes: int, generator: torch.Generator) -> Tensor:
        """Return each plane's shift `(n_planes, 2)` along y and x, px; the middle plane stays."""
        turn = 2 * math.pi * float(torch.rand((), generator=generator))
        along = torch.linspace(-0.5, 0.5, n_planes)[:, None] * self.lateral_drift
        shifts = along * torch.tensor([math.sin(turn), math.cos(turn)])
        shifts = shifts + self.jitter * torch.randn(n_planes, 2, generator=generator)
        return shifts - shifts[n_planes // 2]

    def shade(self, height: int, width: int) -> Tensor:
        """Return the share of light `(height, width)` that vignetting leaves."""
        y, x = torch.linspace(-1, 1, height)[:, None], torch.linspace(-1, 1, width)[None]
        return 1 - self.vignetting * (y**2 + x**2) / 2


def shifted(planes: Tensor, shifts: Tensor) -> Tensor:
    """Return planes `(n, h, w)` moved by `shifts` `(n, 2)`, px, by the shift theorem; borders wrap around."""
    if not shifts.any():
        return planes
    size = planes.shape[-2:]
    transfer = shift_transfer(shifts.to(planes.device), *size)
    moved: Tensor = torch.fft.irfft2(torch.fft.rfft2(planes) * transfer, s=size)
    return moved
