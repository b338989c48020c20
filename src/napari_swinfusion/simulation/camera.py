"""What a camera makes of light: shot noise, dark spots, read noise, saturation, quantisation."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from napari_swinfusion.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Camera:
    """A camera and how much light it gets.

    Attributes
    ----------
    photons
        On a pixel at white (light 1.0): the fewer, the noisier; None takes all noise away.
    quantum_efficiency
        Share of the photons that become electrons.
    read_noise
        Standard deviation, electrons.
    full_well
        Electrons at which a pixel saturates; by default it never does.
    hot_pixels
        Share of pixels that glow by themselves, in the same places in every plane.
    bits
        8 or 16.
    offset
        Grey level of darkness, as a share of white.
    headroom
        Largest grey level over that of white: the gain, grey levels an electron, follows from it.

    Raises
    ------
    ConfigError
        If a number makes no camera.
    """

    photons: float | None = 2000.0
    quantum_efficiency: float = 0.8
    read_noise: float = 2.0
    full_well: float = math.inf
    hot_pixels: float = 0.0
    bits: int = 16
    offset: float = 0.01
    headroom: float = 2.0

    def __post_init__(self) -> None:
        if self.bits not in (8, 16) or not (self.photons is None or self.photons > 0):
            raise ConfigError(f"A camera needs 8 or 16 bits and some photons, not {self.bits} and {self.photons}.")
        if not 0 < self.quantum_efficiency <= 1 or self.full_well <= 0 or self.headroom < 1:
            raise ConfigError("Quantum efficiency must lie in (0, 1], full well above 0, headroom at least at 1.")

    @property
    def white(self) -> float:
        """Grey levels between darkness and light 1.0."""
        return float(2**self.bits / self.headroom)

    @property
    def electrons(self) -> float | None:
        """Electrons counted at white, or None without noise."""
        return None if self.photons is None else self.photons * self.quantum_efficiency

    def noise(self, light: float) -> float:
        """Return the standard deviation of the noise at a `light`, in the scale of light."""
        if self.electrons is None:
            return 0.0
        return math.sqrt(light / self.electrons + (self.read_noise / self.electrons) ** 2)

    def expose(self, light: Tensor, generator: torch.Generator) -> Tensor:
        """Return the light `(n, h, w)` as counted, not yet quantised; drawn on the CPU, where seeds repeat."""
        if self.electrons is None:
            return light.clamp(min=0)
        counted = torch.poisson(light.clamp(min=0).cpu() * self.electrons, generator=generator)
        counted = counted + self.read_noise * torch.randn(counted.shape, generator=generator)
        if self.hot_pixels:
            hot = torch.rand(light.shape[-2:], generator=generator) < self.hot_pixels
            counted = counted + hot * torch.rand(light.shape[-2:], generator=generator) * self.electrons
        return (counted.clamp(max=self.full_well) / self.electrons).to(light.device)

    def digitise(self, light: Tensor) -> Tensor:
        """Return grey levels, rounded and clipped to the range of `bits`."""
        return ((light + self.offset) * self.white).round().clamp(0, 2**self.bits - 1)
