"""A second look at the shares: what the first fused image tells about the noise in each plane.

Shares are first given plane by plane. Once they make an image, its surroundings tell how far off each of its pixels may
be, as they tell a denoiser; planes whose values lie on the better side then get more. The image stays a convex mean of
what was measured at that pixel. Of our own design.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_swinfusion.networks.blocks.bands import BAND_PIXELS, bands, in_one_piece
from napari_swinfusion.networks.blocks.reach import Cells, Layer

_PATCH = 2
_DEPTH = 5
_SURROUNDINGS = 5  # px
# Planes that differ by less, in the range of the planes, are left as they are.
_FAINT = 1e-4
# In spreads, how far a plane counts as off, and the steepest preference of one spread over none: e to this power.
_FARTHEST, _STEEPEST = 3.0, 4.0
# One image passes here instead of many planes; wide bands spend less on their halos.
_BAND_PIXELS = 4 * BAND_PIXELS
# Where hints stop to grow, in standard errors.
_PLAIN = 8.0


class SecondLook(nn.Module):
    """Tilt shares towards the values that the surroundings in the fused image make likely.

    A plane that lies o spreads above the image gets share · exp(tilt · o), normalised over the planes, where the spread
    is the standard deviation of the planes under their shares. A chain of 3 × 3 convolutions at half resolution tells
    the tilt from the image's detail, its distance from the mean of the planes, and the spread, all in units of the
    image's standard error: so noise of any strength looks alike. Fresh weights change nothing.
    """

    layers: tuple[Layer, ...] = (_SURROUNDINGS // 2, Cells(_PATCH), *(_PATCH,) * _DEPTH)

    def __init__(self, channels: int) -> None:
        super().__init__()
        sizes = [3 * _PATCH**2, *(channels,) * (_DEPTH - 1), _PATCH**2]
        *inner, last = (nn.Conv2d(c_in, c_out, 3, padding=1) for c_in, c_out in pairwise(sizes))
        for convolution in inner:
            nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
        nn.init.zeros_(last.weight)
        for convolution in (*inner, last):
            assert convolution.bias is not None
            nn.init.zeros_(convolution.bias)
        self.convolutions = nn.ModuleList([*inner, last])

    def forward(self, planes: Tensor, mean: Tensor, shares: Tensor) -> Tensor:
        """Return new shares for `planes` and first `shares` `(b, n, h, w)`, and `mean` `(b, 1, h, w)` of the planes.

        `shares` are overwritten, unless they are `in_one_piece`.
        """
        if in_one_piece(planes):
            first = _first_image(planes, shares)
            return _tilted(planes, shares, first, self._tilt(first, mean))
        narrow = list(bands(planes, multiple=_PATCH, halo=0))
        first = torch.cat([_first_image(band.of(planes), band.of(shares)) for band in narrow], dim=-2)
        tilt = torch.empty_like(mean)
        for band in bands(planes, multiple=_PATCH, halo=_SURROUNDINGS // 2 + _PATCH * _DEPTH, pixels=_BAND_PIXELS):
            band.of(tilt).copy_(self._tilt(band.read(first), band.read(mean))[..., band.kept, :])
        for band in narrow:
            band.of(shares).copy_(_tilted(band.of(planes), band.of(shares), band.of(first), band.of(tilt)))
        return shares

    def _tilt(self, first: Tensor, mean: Tensor) -> Tensor:
        image, spread, variance = first[:, 0:1], first[:, 1:2], first[:, 2:3]
        error = (_surroundings(variance) + 1e-9).sqrt()
        hints = torch.cat([image - _surroundings(image), image - mean, spread / 2], dim=1) / error
        seen = functional.pixel_unshuffle(_PLAIN * (hints / _PLAIN).tanh(), _PATCH)
        for convolution in self.convolutions[:-1]:
            seen = convolution(seen).relu_()
        shift = functional.pixel_shuffle(self.convolutions[-1](seen), _PATCH).to(error.dtype) * error
        return _STEEPEST * (shift / (spread + _FAINT) / _STEEPEST).tanh()


def _first_image(planes: Tensor, shares: Tensor) -> Tensor:
    """Return the image, the spread of the planes about it, and the variance of the image, `(b, 3, h, w)`."""
    image = (shares * planes).sum(1)
    off = planes - image.unsqueeze(1)
    weighted = shares * off
    return torch.stack([image, ((weighted * off).sum(1) + 1e-10).sqrt(), weighted.square().sum(1)], dim=1)


def _tilted(planes: Tensor, shares: Tensor, first: Tensor, tilt: Tensor) -> Tensor:
    image, spread = first[:, 0:1], first[:, 1:2]
    off = ((planes - image) / (spread + _FAINT)).clamp(-_FARTHEST, _FARTHEST)
    new = shares * (tilt * off).exp()
    return new / new.sum(1, keepdim=True)


def _surroundings(image: Tensor) -> Tensor:
    return functional.avg_pool2d(image, _SURROUNDINGS, 1, _SURROUNDINGS // 2, count_include_pad=False)
