"""The SwinV2 block: attention in (shifted) windows, then a token-wise MLP, normalised after each (arXiv 2111.09883)."""

from __future__ import annotations

from functools import partial

import torch
from einops import rearrange
from torch import Tensor, nn

from napari_swinfusion.networks.blocks.bands import in_bands, in_one_piece
from napari_swinfusion.networks.blocks.window_attention import WindowAttention, shifted_window_masks


class SwinBlock(nn.Module):
    """One SwinV2 block on tokens `(b, h, w, dim)`; h and w are multiples of `window_size`.

    Parameters
    ----------
    shift
        Tokens by which the windows are moved down and right, so that neighbouring windows exchange.
    mlp_ratio
        Width of the MLP over `dim`.
    """

    def __init__(self, dim: int, num_heads: int, window_size: int, shift: int, mlp_ratio: float) -> None:
        super().__init__()
        self.window_size = window_size
        self.shift = shift
        self.attention = WindowAttention(dim, num_heads, window_size)
        self.norm_attention = nn.LayerNorm(dim)
        hidden = int(dim * mlp_ratio)
        self.mlp = nn.Sequential(nn.Linear(dim, hidden), nn.GELU(), nn.Linear(hidden, dim))
        self.norm_mlp = nn.LayerNorm(dim)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the tokens after the block, same shape; `tokens` is overwritten, unless it is `in_one_piece`."""
        size, shift = self.window_size, self.shift
        bias = self.attention.position_bias()
        if not shift:
            return in_bands(partial(self._windows, bias=bias), tokens, axis=1, multiple=size)
        # A cyclic shift, done band by band: rows by where a band begins, columns inside it.
        above, last = (bias + mask.to(bias) for mask in shifted_window_masks(tokens.shape[2] // size, size, shift))
        rest = size - shift
        ends = self._windows(torch.cat([tokens[:, -rest:], tokens[:, :shift]], dim=1), last)
        body = in_bands(partial(self._windows, bias=above), tokens[:, shift:-rest], axis=1, multiple=size)
        if in_one_piece(tokens):
            return torch.cat([ends[:, rest:], body, ends[:, :rest]], dim=1)
        tokens[:, -rest:], tokens[:, :shift] = ends[:, :rest], ends[:, rest:]
        return tokens

    def _windows(self, tokens: Tensor, bias: Tensor) -> Tensor:
        size, shift = self.window_size, self.shift
        b, h, _, _ = tokens.shape
        if shift:
            tokens = tokens.roll(-shift, dims=2)
        windows = rearrange(tokens, "b (r i) (c j) d -> (b r) c (i j) d", i=size, j=size)
        windows = self.norm_attention(self.attention(windows, bias)).add_(windows)
        windows = self.norm_mlp(self.mlp(windows)).add_(windows)
        grid: Tensor = rearrange(windows, "(b r) c (i j) d -> b (r i) (c j) d", b=b, r=h // size, i=size, j=size)
        return grid.roll(shift, dims=2) if shift else grid


class SwinStage(nn.Sequential):
    """A run of blocks whose windows are alternately in place and shifted by half."""

    def __init__(self, dim: int, depth: int, num_heads: int, window_size: int, mlp_ratio: float) -> None:
        super().__init__(
            *(SwinBlock(dim, num_heads, window_size, (i % 2) * (window_size // 2), mlp_ratio) for i in range(depth))
        )
