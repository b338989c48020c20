"""The grey levels that a photographic camera makes of light: blur mixes light, not grey levels.

The transfer function of sRGB (IEC 61966-2-1). Cameras of microscopes count photons and have none.
"""

from __future__ import annotations

from torch import Tensor


def grey_of(light: Tensor) -> Tensor:
    """Return the grey levels of `light`, both in [0, 1]; what is below 0 stays there, on the straight foot."""
    return (1.055 * light.clamp(min=0.0031308) ** (1 / 2.4) - 0.055).where(light > 0.0031308, 12.92 * light)


def light_of(grey: Tensor) -> Tensor:
    """Return the light that makes the levels `grey`, both in [0, 1]: the inverse of `grey_of`."""
    return ((grey.clamp(min=0.04045) + 0.055) / 1.055).pow(2.4).where(grey > 0.04045, grey / 12.92)
