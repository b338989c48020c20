"""The block of Restormer (Zamir et al., CVPR 2022, arXiv 2111.09881), after document 004: cost linear in the pixels.

Attention runs between channels instead of between pixels: how alike two channels are over the whole image says how
much of one goes into the other. So each block sees the whole image, and its reach is unbounded.
"""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional

from napari_swinfusion.networks.blocks.channel_norm import ChannelNorm, NormKind
from napari_swinfusion.networks.blocks.heads import check_heads


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
        mixed = self.neighbours(self.query_key_value(image))
        query, key, value = rearrange(mixed, "b (part g c) h w -> part b g c (h w)", part=3, g=self.num_heads)
        alike = query @ key.transpose(-2, -1) / (_length(query) * _length(key).transpose(-2, -1))
        attended = (alike * self.temperature).softmax(-1) @ value
        projected: Tensor = self.project(rearrange(attended, "b g c (h w) -> b (g c) h w", h=image.shape[2]))
        return projected


def _length(channels: Tensor) -> Tensor:
    length: Tensor = torch.linalg.vector_norm(channels, dim=-1, keepdim=True).clamp(min=1e-12)
    return length


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
        gate, signal = self.neighbours(self.widen(image)).chunk(2, dim=1)
        projected: Tensor = self.project(functional.gelu(gate) * signal)
        return projected


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
