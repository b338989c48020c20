"""What a camera makes of light: shot noise, read noise, gain drift between exposures, quantisation."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Camera:
    """A camera and a lamp.

    Attributes
    ----------
    photons
        Electrons counted at white (light 1.0): the shot noise there is `sqrt(photons)`.
    read_noise
        Standard deviation, electrons.
    lamp_drift
        Greatest relative deviation of the lamp from plane to plane, uniformly drawn.
    bits
        8 or 16: white is half of the range, so that nothing saturates.
    offset
        Grey level of darkness, as a share of white.
    """

    photons: float = 2000.0
    read_noise: float = 2.0
    lamp_drift: float = 0.05
    bits: int = 16
    offset: float = 0.01

    @property
    def white(self) -> float:
        """Grey levels between darkness and light 1.0."""
        return float(2 ** (self.bits - 1))

    def lamp(self, n_planes: int, generator: torch.Generator) -> Tensor:
        """Return the lamp's relative brightness `(n_planes,)`."""
        return 1 + self.lamp_drift * (2 * torch.rand(n_planes, generator=generator) - 1)

    def expose(self, light: Tensor, lamp: Tensor, generator: torch.Generator) -> Tensor:
        """Return noisy light `(n, h, w)`, unquantised and with the lamp's drift, in the scale of `light`."""
        electrons = light.clamp(min=0) * lamp[:, None, None] * self.photons
        counted = torch.poisson(electrons, generator=generator)
        counted = counted + self.read_noise * torch.randn(counted.shape, generator=generator)
        return counted / self.photons

    def digitise(self, light: Tensor) -> Tensor:
        """Return grey levels, rounded and clipped to the range of `bits`."""
        return ((light + self.offset) * self.white).round().clamp(0, 2**self.bits - 1)
