"""The block of Restormer (Zamir et al., CVPR 2022, arXiv 2111.09881), after document 004: cost linear in the pixels.

Attention runs between channels instead of between pixels: how alike two channels are over the whole image says how
much of one goes into the other. So each block sees the whole image, and its reach is unbounded. During inference on CPU
the wide features exist for one square at a time.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional

from napari_swinfusion.networks.blocks.bands import in_one_piece
from napari_swinfusion.networks.blocks.channel_norm import ChannelNorm, NormKind
from napari_swinfusion.networks.blocks.heads import check_heads
from napari_swinfusion.tiling import Tile, plan_tiles

TILE = 128


class TransposedAttention(nn.Module):
    """Multi-Dconv head transposed attention (MDTA): softmax(temperature · q̂ k̂ᵀ) v over channels, each head its own.

    q̂ and k̂ are the channels as unit vectors over all pixels; a depthwise 3 × 3 convolution lets queries, keys and
    values see their neighbours first. Deviation in the order of arithmetic alone: the small product is divided by
    the lengths, instead of the large factors.
    """

    def __init__(self, dim: int, num_heads: int, *, bias: bool = False) -> None:
        super().__init__()
        check_heads(dim, num_heads)
        self.num_heads = num_heads
        self.temperature = nn.Parameter(torch.ones(num_heads, 1, 1))
        self.query_key_value = nn.Conv2d(dim, 3 * dim, 1, bias=bias)
        self.neighbours = nn.Conv2d(3 * dim, 3 * dim, 3, padding=1, groups=3 * dim, bias=bias)
        self.project = nn.Conv2d(dim, dim, 1, bias=bias)

    def forward(self, image: Tensor) -> Tensor:
        """Return `(b, dim, h, w)` after attention between its channels."""
        products, squares = [], []
        for tile in _tiles(image):
            seen = self._seen(image[(..., *tile.read.slices)], slice(0, 2))[(..., *tile.core.within(tile.read).slices)]
            query, key = seen.flatten(-2)
            products.append(query @ key.mT)
            squares.append(torch.stack([query.square().sum(-1), key.square().sum(-1)]))
        query_length, key_length = torch.stack(squares).sum(0).sqrt().clamp(min=1e-12)
        alike = torch.stack(products).sum(0) / (query_length.unsqueeze(-1) * key_length.unsqueeze(-2))
        shares = (alike * self.temperature).softmax(-1)

        def attend(part: Tensor) -> Tensor:
            (value,) = self._seen(part, slice(2, 3)).flatten(-2)
            projected: Tensor = self.project(rearrange(shares @ value, "b g c (h w) -> b (g c) h w", w=part.shape[3]))
            return projected

        return _in_tiles(attend, image)

    def _seen(self, image: Tensor, parts: slice) -> Tensor:
        # Of queries, keys and values `parts`, as `(part, b, heads, c, h, w)`.
        channels = slice(parts.start * image.shape[1], parts.stop * image.shape[1])
        seen = _convolve(self.neighbours, _convolve(self.query_key_value, image, channels), channels)
        split: Tensor = rearrange(
            seen, "b (part g c) h w -> part b g c h w", part=parts.stop - parts.start, g=self.num_heads
        )
        return split


def _convolve(convolution: nn.Conv2d, image: Tensor, channels: slice) -> Tensor:
    # The convolution to some of its output channels alone; a depthwise one takes as many.
    weight = convolution.weight[channels]
    bias = None if convolution.bias is None else convolution.bias[channels]
    groups = 1 if convolution.groups == 1 else len(weight)
    return functional.conv2d(image, weight, bias, padding=convolution.padding, groups=groups)


class GatedFeedForward(nn.Module):
    """Gated-Dconv feed-forward (GDFN): one half of the widened channels, through GELU, gates the other half."""

    def __init__(self, dim: int, mlp_ratio: float, *, bias: bool = False) -> None:
        super().__init__()
        hidden = int(dim * mlp_ratio)
        self.widen = nn.Conv2d(dim, 2 * hidden, 1, bias=bias)
        self.neighbours = nn.Conv2d(2 * hidden, 2 * hidden, 3, padding=1, groups=2 * hidden, bias=bias)
        self.project = nn.Conv2d(hidden, dim, 1, bias=bias)

    def forward(self, image: Tensor) -> Tensor:
        """Return `(b, dim, h, w)`."""

        def gate(part: Tensor) -> Tensor:
            opening, signal = self.neighbours(self.widen(part)).chunk(2, dim=1)
            projected: Tensor = self.project(functional.gelu(opening) * signal)
            return projected

        return _in_tiles(gate, image)


def _tiles(image: Tensor) -> list[Tile]:
    # What a 3 × 3 convolution needs of `(b, c, h, w)`, in squares that stay in the processor's cache.
    height, width = image.shape[-2:]
    side = max(height, width) if in_one_piece(image) else TILE
    return plan_tiles(height, width, core=side, reach=1, multiple=1)


def _in_tiles(step: Callable[[Tensor], Tensor], image: Tensor) -> Tensor:
    # step(image), for a step that keeps the shape and reaches 1 px.
    tiles = _tiles(image)
    if len(tiles) == 1:
        return step(image)
    done = torch.empty_like(image)
    for tile in tiles:
        part = step(image[(..., *tile.read.slices)])
        done[(..., *tile.core.slices)] = part[(..., *tile.core.within(tile.read).slices)]
    return done


class RestormerBlock(nn.Module):
    """x + MDTA(norm(x)), then x + GDFN(norm(x))."""

    def __init__(self, dim: int, num_heads: int, mlp_ratio: float, *, bias: bool, norm: NormKind) -> None:
        super().__init__()
        self.norm_attention = ChannelNorm(dim, norm)
        self.attention = TransposedAttention(dim, num_heads, bias=bias)
        self.norm_feed_forward = ChannelNorm(dim, norm)
        self.feed_forward = GatedFeedForward(dim, mlp_ratio, bias=bias)

    def forward(self, image: Tensor) -> Tensor:
        """Return `(b, dim, h, w)` after the block."""
        image = image + self.attention(self.norm_attention(image))
        result: Tensor = image + self.feed_forward(self.norm_feed_forward(image))
        return result


def shuffled_down(dim: int) -> nn.Sequential:
    """Return the layer that halves height and width and doubles `dim` channels, losing no value on the way."""
    return nn.Sequential(nn.Conv2d(dim, dim // 2, 3, padding=1, bias=False), nn.PixelUnshuffle(2))


def shuffled_up(dim: int) -> nn.Sequential:
    """Return the layer that doubles height and width and halves `dim` channels."""
    return nn.Sequential(nn.Conv2d(dim, 2 * dim, 3, padding=1, bias=False), nn.PixelShuffle(2))
