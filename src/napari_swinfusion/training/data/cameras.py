"""What the noise of own images tells of their camera, so that simulated stacks can be as noisy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from napari_swinfusion.decide.base import GreyPlanes
from napari_swinfusion.decide.guards import NoiseFloor, noise_floor
from napari_swinfusion.simulation import Camera
from napari_swinfusion.tiling import Box

# Electrons at white where no shot noise is seen.
_AMPLE = 4e7
# A pixel so many deviations above those around it on the mean of all planes glows by itself, if it is seen in nearly
# every plane: a speck that is sharp in a few is none.
_GLOWING, _SEEN, _OFTEN = 8.0, 2.0, 0.8
_SAMPLE = 512  # px


@dataclass(frozen=True)
class CameraTraits:
    """The noise of a stack, in its grey: the variance at each grey, and the share of pixels that glow by themselves."""

    floor: NoiseFloor
    hot_pixels: float


def traits_of(planes: GreyPlanes) -> CameraTraits:
    """Return what the noise of a stack looks like; hot pixels are counted in its middle, in 512 × 512 px at most."""
    return CameraTraits(noise_floor(planes), _hot_pixels(planes))


def camera_like(traits: CameraTraits, light: Tensor, *, times: float = 1.0) -> Camera:
    """Return a camera whose noise over `light` `(n, h, w)` is that of the traits, with `times` its variance.

    The grey of the traits goes from 0 at the darkest to 1 at the brightest of the light, but for some outliers.
    """
    low, high = torch.quantile(light.flatten()[::7], torch.tensor([0.005, 0.998])).tolist()
    span = max(high - low, 0.02)
    per_light = span * traits.floor.slope * times
    electrons = min(1 / per_light, _AMPLE) if per_light > 0 else _AMPLE
    in_darkness = max(span**2 * traits.floor.offset * times - per_light * low, 0.0)
    return Camera(
        photons=electrons / Camera.quantum_efficiency,
        read_noise=electrons * in_darkness**0.5,
        hot_pixels=traits.hot_pixels,
    )


def _hot_pixels(planes: GreyPlanes) -> float:
    top, left = (max((side - _SAMPLE) // 2, 0) for side in (planes.height, planes.width))
    box = Box(top, min(top + _SAMPLE, planes.height), left, min(left + _SAMPLE, planes.width))
    grey = [planes.grey(box, plane)[0] for plane in range(planes.n_planes)]
    glowing = _above_surroundings(np.mean(grey, axis=0)) > _GLOWING
    everywhere = np.mean([_above_surroundings(one) > _SEEN for one in grey], axis=0) >= _OFTEN
    return float((glowing & everywhere).mean())


def _above_surroundings(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return how far each pixel lies above the median of its surroundings, in standard deviations."""
    above = image - ndimage.median_filter(image, size=3)
    deviation = 1.4826 * float(np.median(np.abs(above)))
    return above / deviation if deviation > 0 else np.zeros_like(above)
