"""Small separable filters whose result does not depend on where a tile was cut.

They are sums of shifted views in a fixed order, so that a pixel gets bit for bit the same value in every tile, and they
keep only pixels whose whole window is present (`valid`); the border of the image is mirrored once, before.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from napari_swinfusion.decide.base import GreyPlanes
from napari_swinfusion.tiling import Box

Array = NDArray[np.float32]
_Kind = TypeVar("_Kind", bound=np.generic)


def gaussian_kernel(sigma: float) -> Array:
    """Return a normalised Gaussian, cut at 2.5 sigma (px)."""
    radius = max(round(2.5 * sigma), 1)
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    normalised: Array = (kernel / kernel.sum()).astype(np.float32)
    return normalised


def mirrored(planes: GreyPlanes, wanted: Box, plane: int) -> Array:
    """Read one grey plane over `wanted`, which may reach beyond the image: there it is mirrored."""
    present = wanted.clipped(planes.height, planes.width)
    missing = (
        (present.y0 - wanted.y0, wanted.y1 - present.y1),
        (present.x0 - wanted.x0, wanted.x1 - present.x1),
    )
    grey: Array = planes.grey(present, plane)[0]
    return np.pad(grey, missing, mode="symmetric")


def grown(box: Box, margin: int) -> Box:
    """Return `box` with `margin` px more on each side."""
    return Box(box.y0 - margin, box.y1 + margin, box.x0 - margin, box.x1 + margin)


def cropped(image: NDArray[_Kind], margin: int) -> NDArray[_Kind]:
    """Return `image` without `margin` px on each side."""
    return image[margin : image.shape[0] - margin, margin : image.shape[1] - margin]


def smooth(image: Array, kernel: Array) -> Array:
    """Convolve both axes with a symmetric odd `kernel`; the result is `len(kernel) - 1` px smaller each way."""
    return _smooth_rows(_smooth_rows(image, kernel).T, kernel).T


def _smooth_rows(image: Array, kernel: Array) -> Array:
    radius = len(kernel) // 2
    height = image.shape[0] - 2 * radius
    total: Array = image[radius : radius + height] * kernel[radius]
    pair = np.empty_like(total)
    for i in range(radius):
        np.add(image[i : i + height], image[2 * radius - i : 2 * radius - i + height], out=pair)
        pair *= kernel[i]
        total += pair
    return total
