"""The linear filters that losses look through; shapes `(…, h, w)` in and out, borders repeat the last pixel."""

from __future__ import annotations

import math

import torch
from torch import Tensor

_SMOOTH, _SLOPE = (1.0, 2.0, 1.0), (-1.0, 0.0, 1.0)


def sobel(image: Tensor) -> tuple[Tensor, Tensor]:
    """Return the Sobel responses along y and x: eight times the derivative per px."""
    smooth, slope = image.new_tensor(_SMOOTH), image.new_tensor(_SLOPE)
    return _filter(image, slope, smooth), _filter(image, smooth, slope)


def edge_strength(image: Tensor) -> Tensor:
    """Return |along y| + |along x| of the Sobel responses; unlike a square root it has a gradient near 0."""
    along_y, along_x = sobel(image)
    return along_y.abs() + along_x.abs()


def laplacian(image: Tensor) -> Tensor:
    """Return the five-point Laplacian, in grey levels per px²."""
    second = image.new_tensor([1.0, -2.0, 1.0])
    height, width = image.shape[-2:]
    along_y: Tensor = _matrix(second, height) @ image
    return along_y + image @ _matrix(second, width).T


def laplacian_of_gaussian(image: Tensor, sigma: float = 1.0) -> Tensor:
    """Return the Laplacian of the image under a Gaussian of `sigma` px (Marr and Hildreth, Proc. R. Soc. B 207, 1980).

    The second derivative of the Gaussian is sampled and shifted to sum to 0, so that an even image has none.
    """
    place = _places(sigma, image)
    bell = gaussian(sigma, image)
    second = bell * (place**2 / sigma**4 - 1 / sigma**2)
    second = second - bell * second.sum()
    return _filter(image, second, bell) + _filter(image, bell, second)


def blur(image: Tensor, sigma: float) -> Tensor:
    """Return the image under a Gaussian of `sigma` px, cut at 3 sigma."""
    bell = gaussian(sigma, image)
    return _filter(image, bell, bell)


def gaussian(sigma: float, like: Tensor) -> Tensor:
    """Return the taps of a Gaussian of `sigma` px, which sum to 1, of the type and on the device of `like`."""
    taps = (-0.5 * (_places(sigma, like) / sigma) ** 2).exp()
    return taps / taps.sum()


def _places(sigma: float, like: Tensor) -> Tensor:
    radius = max(math.ceil(3 * sigma), 1)
    return torch.arange(-radius, radius + 1, device=like.device, dtype=like.dtype)


def _filter(image: Tensor, down: Tensor, across: Tensor) -> Tensor:
    # Every kernel here is separable, so a filter is two matrix products, several times as fast as two convolutions.
    height, width = image.shape[-2:]
    filtered: Tensor = _matrix(down, height) @ image @ _matrix(across, width).T
    return filtered


def _matrix(taps: Tensor, size: int) -> Tensor:
    """Return the matrix `(size, size)` that filters a column of `size` px with `taps`, its ends repeated."""
    radius = len(taps) // 2
    place = torch.arange(size, device=taps.device)
    source = place[:, None] + torch.arange(-radius, radius + 1, device=taps.device)
    matrix = taps.new_zeros(size, size)
    return matrix.scatter_add_(1, source.clamp(0, size - 1), taps.expand(size, -1))
