"""A second look at the shares: what the first fused image tells about the noise in each plane.

Shares are first given plane by plane. Once they make an image, its surroundings tell how far off each of its pixels may
be, as they tell a denoiser; planes whose values lie on the better side then get more. The image stays a convex mean of
what was measured at that pixel. With blocks at quarter resolution it looks farther, and at the focus too: where there
is hardly any noise it takes the shares that both agree on. Of our own design.
"""

from __future__ import annotations

import math
from functools import reduce
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_swinfusion.networks.blocks.bands import BAND_PIXELS, bands, in_one_piece
from napari_swinfusion.networks.blocks.reach import Cells, Layer, reach_through

_PATCH = 2
_DEPTH = 5
_BEFORE_BLOCKS = 2  # convolutions
_WIDER = 2  # channels of the blocks over those of the chain
_SURROUNDINGS = 5  # px
# Planes that differ by less, in the range of the planes, are left as they are.
_FAINT = 1e-4
# In spreads, how far a plane counts as off, and the steepest preference of one spread over none: e to this power.
_FARTHEST, _STEEPEST = 3.0, 4.0
# Fresh weights settle next to nothing: the logit below an even chance.
_UNSETTLED = 4.0
# Convolutions see one image instead of many planes: in wide bands they spend less on halos. All planes together go
# through in narrow ones, which stay in the cache.
_WIDE, _NARROW = 12 * BAND_PIXELS, 4 * BAND_PIXELS
# Where hints stop to grow, in standard errors.
_PLAIN = 8.0
# Noise is told for cells of so many px: no farther apart than what a pixel's surroundings and patch reach already.
_CELL = 4


class SecondLook(nn.Module):
    """Tilt shares towards the values that the surroundings in the fused image make likely.

    A plane that lies o spreads above the image gets share · exp(tilt · o), normalised over the planes, where the spread
    is the standard deviation of the planes under their shares. A chain of 3 × 3 convolutions at half resolution tells
    the tilt from the image's detail, its distance from the mean of the planes, and the spread, all in units of the
    image's standard error: so noise of any strength looks alike.

    With blocks it also tells how far to trade the shares for settled ones, which are decisive and follow shares and
    focus alike. Then it sees two other images, of the roots of the shares and of the focus, the depth that the focus
    tells, how large the standard error is, and the noise of single pixels: where planes differ by more than that, they
    show different things. Fresh weights change next to nothing.

    Parameters
    ----------
    channels
        Of the chain.
    blocks
        Residual blocks of two convolutions at quarter resolution, amid the chain; 0 for none.
    """

    def __init__(self, channels: int, blocks: int = 0) -> None:
        super().__init__()
        sizes = [3 * _PATCH**2, *(channels,) * (_DEPTH - 1), _PATCH**2]
        self.convolutions = nn.ModuleList(_convolution(c_in, c_out) for c_in, c_out in pairwise(sizes))
        nn.init.zeros_(_weight(self.convolutions[-1]))
        self.farther = _Farther(channels, blocks) if blocks else None
        reach = reach_through(look_layers(blocks))
        assert reach is not None
        self._halo = reach + -reach % (2 * _PATCH)

    def forward(self, planes: Tensor, mean: Tensor, shares: Tensor, focus: Tensor) -> Tensor:
        """Return new shares for `planes` and their first `shares` and `focus` `(b, n, h, w)`.

        `mean` `(b, 1, h, w)` is that of the planes. `shares` are overwritten, unless they are `in_one_piece`.
        """
        if in_one_piece(planes):
            first = self._first(planes, mean, shares, focus)
            settled = None if self.farther is None else _settled(shares + focus)
            return _changed(planes, shares, first, self._verdict(first), settled)
        narrow = list(bands(planes, multiple=2 * _PATCH, halo=1, pixels=_NARROW // planes.shape[1]))
        seen = (planes, mean, shares, focus)
        first = torch.cat([self._first(*(band.of(part) for part in seen)) for band in narrow], dim=-2)
        wide = bands(planes, multiple=2 * _PATCH, halo=self._halo, pixels=_WIDE)
        verdict = torch.cat([self._verdict(band.read(first))[..., band.kept, :] for band in wide], dim=-2)
        above = settled = None
        for band in narrow:
            if self.farther is not None:
                both = band.read(shares) + band.read(focus)
                if above is not None:  # The row above is overwritten by now.
                    both[..., :1, :] = above
                above = both[..., band.kept, :][..., -1:, :].clone()
                settled = _settled(both)[..., band.kept, :]
            own = band.of(shares)
            own.copy_(_changed(band.of(planes), own, band.of(first), band.of(verdict), settled))
        return shares

    def _first(self, planes: Tensor, mean: Tensor, shares: Tensor, focus: Tensor) -> Tensor:
        """Return `(b, c, h, w)`: the first image, the spread of the planes about it, its variance, the mean.

        With blocks, also the depth in planes, its spread, the images of the roots of the shares and of the focus, and
        the noise in one plane and in the first image.
        """
        parts = [*_about_mean(planes, shares), mean]
        if self.farther is not None:
            roots = (shares + 1e-12).sqrt()
            of_roots = (roots * planes).sum(1, keepdim=True) / roots.sum(1, keepdim=True)
            parts += [*_about_mean(_places(planes), focus)[:2], of_roots, (focus * planes).sum(1, keepdim=True)]
            noise = noise_in(planes)
            parts += [noise, noise * shares.square().sum(1, keepdim=True).sqrt()]
        return torch.cat(parts, dim=1)

    def _verdict(self, first: Tensor) -> Tensor:
        """Return `(b, c, h, w)`: the tilt of the shares; with blocks, also how far to trade them for settled ones."""
        image, spread, variance, mean = torch.chunk(first[:, :4], 4, dim=1)
        error = (_surroundings(variance) + 1e-9).sqrt()
        before, after = self.convolutions[:_BEFORE_BLOCKS], self.convolutions[_BEFORE_BLOCKS:-1]
        seen: Tensor = before[0](_hints([image - _surroundings(image), image - mean, spread / 2], error))
        if self.farther is not None:
            seen = seen + self.farther.more_hints(first, error)
        seen = seen.relu_()
        for convolution in before[1:]:
            seen = convolution(seen).relu_()
        if self.farther is not None:
            seen = self.farther(seen)
        for convolution in after:
            seen = convolution(seen).relu_()
        shift = _at_full_size(self.convolutions[-1](seen), error) * error
        tilt = _STEEPEST * (shift / (spread + _FAINT) / _STEEPEST).tanh()
        if self.farther is None:
            return tilt
        settled = _at_full_size(self.farther.last(seen), error) - _UNSETTLED
        return torch.cat([tilt, settled.sigmoid()], dim=1)


class _Farther(nn.Module):
    """What blocks add to the chain: more hints, the blocks themselves, and how far to settle."""

    def __init__(self, channels: int, blocks: int) -> None:
        super().__init__()
        wide = _WIDER * channels
        self.more = _convolution(8 * _PATCH**2, channels)
        self.down = _convolution(channels, wide, side=2)
        self.blocks = nn.ModuleList(_convolution(wide, wide) for _ in range(2 * blocks))
        self.up = _convolution(wide, 4 * channels, side=1)
        self.last = _convolution(channels, _PATCH**2)
        for silent in (self.more, self.up, self.last, *self.blocks[1::2]):
            nn.init.zeros_(_weight(silent))

    def more_hints(self, first: Tensor, error: Tensor) -> Tensor:
        """Return what the other images, depth, standard `error` and noise add to the first features of the chain."""
        image, depth, doubt, of_roots, of_focus, noise, expected = torch.chunk(first[:, (0, *range(4, 10))], 7, dim=1)
        images = _hints([of_roots - image, of_focus - image], error)
        others = [depth - _surroundings(depth), doubt, depth / 8, error.log() + 6]
        others += [noise.log() + 6, (expected / error).log()]
        more: Tensor = self.more(torch.cat([images, _hints(others, torch.ones_like(error))], dim=1))
        return more

    def forward(self, seen: Tensor) -> Tensor:
        """Return features `(b, channels, h, w)` after the blocks."""
        coarse = self.down(seen)
        for first, second in zip(self.blocks[0::2], self.blocks[1::2], strict=True):
            coarse = coarse + second(first(coarse).relu_())
        return seen + functional.pixel_shuffle(self.up(coarse), 2)


def look_layers(blocks: int) -> tuple[Layer, ...]:
    """Return the layers of a second look with so many blocks; cells of noise reach no farther than the entry."""
    chain: tuple[Layer, ...] = (_PATCH,) * _DEPTH
    entry: tuple[Layer, ...] = (_SURROUNDINGS // 2, Cells(_PATCH))
    if not blocks:
        return (*entry, *chain)
    amid: tuple[Layer, ...] = (Cells(2 * _PATCH), *(2 * _PATCH,) * (2 * blocks), Cells(2 * _PATCH))
    return (*entry, *chain[:_BEFORE_BLOCKS], *amid, *chain[_BEFORE_BLOCKS:], Cells(_PATCH))


def noise_in(planes: Tensor) -> Tensor:
    """Return about the standard deviation of the noise `(b, 1, h, w)` in one of the planes, for cells of 4 px.

    Diagonal detail of neighbouring pixels (Haar's wavelet) is hardly anything but noise where a plane is out of focus.
    Of its mean squares the lower quartile over the planes counts, of up to four planes the least; twice, since it is
    about half of their mean. That makes 0.85 to 1.35 times the true one. Where a quarter of the planes is clipped, or
    bare after registration, none is found.
    """
    a, b, c, d = (planes[..., i::2, j::2] for i in (0, 1) for j in (0, 1))
    energy = functional.avg_pool2d(((a - b - c + d) / 2).square(), _CELL // 2)
    quarter = math.ceil(planes.shape[1] / 4)
    least = energy.topk(quarter, dim=1, largest=False).values[:, -1:]
    noise: Tensor = functional.interpolate((2 * least + 1e-10).sqrt(), scale_factor=float(_CELL))
    return noise


def _convolution(c_in: int, c_out: int, *, side: int = 3) -> nn.Conv2d:
    # Of side 2 it halves the image.
    convolution = nn.Conv2d(c_in, c_out, side, stride=2 if side == 2 else 1, padding=side // 2 if side % 2 else 0)
    nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
    assert convolution.bias is not None
    nn.init.zeros_(convolution.bias)
    return convolution


def _weight(convolution: nn.Module) -> Tensor:
    assert isinstance(convolution, nn.Conv2d)
    return convolution.weight


def _about_mean(values: Tensor, shares: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return mean and spread of `values` under their `shares`, and the variance of the mean, `(b, 1, h, w)` each."""
    mean = (shares * values).sum(1, keepdim=True)
    off = values - mean
    weighted = shares * off
    spread = ((weighted * off).sum(1, keepdim=True) + 1e-10).sqrt()
    return mean, spread, weighted.square().sum(1, keepdim=True)


def _changed(planes: Tensor, shares: Tensor, first: Tensor, verdict: Tensor, settled: Tensor | None) -> Tensor:
    image, spread, tilt = first[:, 0:1], first[:, 1:2], verdict[:, 0:1]
    off = ((planes - image) / (spread + _FAINT)).clamp(-_FARTHEST, _FARTHEST)
    new = shares * (tilt * off).exp()
    new = new / new.sum(1, keepdim=True)
    return new if settled is None else new.lerp(settled, verdict[:, 1:2])


def _places(planes: Tensor) -> Tensor:
    """Return the place of each plane along z, `(1, n, 1, 1)`."""
    return torch.arange(planes.shape[1], dtype=planes.dtype, device=planes.device)[None, :, None, None]


def _settled(both: Tensor) -> Tensor:
    """Return decisive shares: the fourth power of `both` `(b, n, h, w)`, meant over 3 × 3 px, normalised."""
    padded = functional.pad(both, (1, 1, 1, 1), mode="replicate")
    power = _added(padded, 3).square().square()
    return power / power.sum(1, keepdim=True)


def _hints(parts: list[Tensor], unit: Tensor) -> Tensor:
    hints = torch.cat(parts, dim=1) / unit
    return functional.pixel_unshuffle(_PLAIN * (hints / _PLAIN).tanh(), _PATCH)


def _at_full_size(seen: Tensor, like: Tensor) -> Tensor:
    return functional.pixel_shuffle(seen, _PATCH).to(like.dtype)


def _surroundings(image: Tensor) -> Tensor:
    """Return the mean over the surroundings that lie in the image; torch's pooling takes twice as long."""
    around = (_SURROUNDINGS // 2,) * 4
    total, count = (functional.pad(part, around) for part in (image, torch.ones_like(image[:1, :1])))
    return _added(total, _SURROUNDINGS) / _added(count, _SURROUNDINGS)


def _added(padded: Tensor, side: int) -> Tensor:
    """Return the sums over windows of `side` px of an image that was padded for them."""
    for axis in (-2, -1):
        length = padded.shape[axis] - side + 1
        padded = reduce(torch.add, (padded.narrow(axis, k, length) for k in range(side)))
    return padded
