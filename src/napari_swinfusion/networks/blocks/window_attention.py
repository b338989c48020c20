"""Attention inside windows, written once: self-attention, or cross-attention by an optional context.

SwinV2 (arXiv 2111.09883): cosine similarity with a learned temperature for each head, and a relative position bias
from a small network over log-spaced offsets. Deviation: both enter `scaled_dot_product_attention` as unit vectors
and an additive bias, which is the same arithmetic in one fused kernel.
"""

from __future__ import annotations

import math

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional

from napari_swinfusion.errors import ConfigError

MASKED = -100.0
MAX_TEMPERATURE = 100.0
POSITION_HIDDEN = 128


class WindowAttention(nn.Module):
    """Multi-head cosine attention among the tokens of one window.

    Parameters
    ----------
    dim
        Channels of a token.
    num_heads
        Number of heads; must divide `dim`.
    window_size
        Side of a window in tokens.

    Raises
    ------
    ConfigError
        If `num_heads` does not divide `dim`.
    """

    offsets: Tensor
    offset_index: Tensor

    def __init__(self, dim: int, num_heads: int, window_size: int) -> None:
        super().__init__()
        if dim % num_heads:
            fitting = [heads for heads in range(1, dim + 1) if dim % heads == 0]
            near = min(fitting, key=lambda heads: abs(heads - num_heads))
            raise ConfigError(f"{num_heads} heads cannot share {dim} channels evenly; the nearest number is {near}.")
        self.num_heads = num_heads
        self.query = nn.Linear(dim, dim)
        self.key_value = nn.Linear(dim, 2 * dim)
        self.project = nn.Linear(dim, dim)
        self.log_temperature = nn.Parameter(torch.full((num_heads, 1, 1), math.log(10.0)))
        self.position = nn.Sequential(
            nn.Linear(2, POSITION_HIDDEN), nn.ReLU(), nn.Linear(POSITION_HIDDEN, num_heads, bias=False)
        )
        offsets, index = _relative_positions(window_size)
        self.register_buffer("offsets", offsets, persistent=False)
        self.register_buffer("offset_index", index, persistent=False)

    def position_bias(self) -> Tensor:
        """Return the additive bias `(1, heads, t, t)` between the t tokens of a window."""
        table = 16 * torch.sigmoid(self.position(self.offsets))
        return rearrange(table[self.offset_index], "i j heads -> 1 heads i j").contiguous()

    def forward(self, windows: Tensor, bias: Tensor, context: Tensor | None = None) -> Tensor:
        """Return the windows `(r, c, t, dim)` after attention.

        Parameters
        ----------
        windows
            `(r, c, t, dim)`: r rows of c windows of t tokens; samples and planes count as rows.
        bias
            `(1 or c, heads, t, t)`: `position_bias()`, plus a mask where windows were shifted.
        context
            Where keys and values come from, shaped like `windows`; None is self-attention.
        """
        columns = bias.shape[0]
        # A bias for each column rides in the place of the heads, so that it is never repeated for each row.
        query, key, value = (
            rearrange(part, "r (g c) t (h d) -> (r g) (c h) t d", c=columns, h=self.num_heads)
            for part in self._project(windows, context)
        )
        temperature = self.log_temperature.clamp(max=math.log(MAX_TEMPERATURE)).exp().repeat(columns, 1, 1)
        mixed = functional.scaled_dot_product_attention(
            query * (temperature / _length(query)).to(query.dtype),
            key * (1 / _length(key)).to(key.dtype),
            value,
            attn_mask=bias.flatten(0, 1).unsqueeze(0).to(query.dtype),
            scale=1.0,
        )
        mixed = rearrange(mixed, "(r g) (c h) t d -> r (g c) t (h d)", r=windows.shape[0], c=columns, h=self.num_heads)
        projected: Tensor = self.project(mixed)
        return projected

    def _project(self, windows: Tensor, context: Tensor | None) -> tuple[Tensor, ...]:
        if context is not None:
            return self.query(windows), *self.key_value(context).chunk(2, dim=-1)
        weight = torch.cat([self.query.weight, self.key_value.weight])
        bias = torch.cat([self.query.bias, self.key_value.bias])
        return functional.linear(windows, weight, bias).chunk(3, dim=-1)


def _length(vectors: Tensor) -> Tensor:
    length: Tensor = torch.linalg.vector_norm(vectors, dim=-1, keepdim=True).clamp(min=1e-12)
    return length


def shifted_window_masks(columns: int, window_size: int, shift: int) -> tuple[Tensor, Tensor]:
    """Return the masks `(columns, 1, t, t)` of the rows of windows above the last, and of the last row.

    After a cyclic shift only the last row and column of windows hold tokens that were not neighbours; between those
    the mask is `MASKED`, elsewhere 0 (Swin, arXiv 2103.14030, section 3.2).
    """
    line = torch.arange(window_size)
    wrapped = (line >= window_size - shift).long()
    same = torch.zeros_like(line)

    def mask(rows: Tensor, cols: Tensor) -> Tensor:
        region = (rows[:, None] * 2 + cols[None, :]).flatten()
        return (region[:, None] != region[None, :]) * MASKED

    def row_of_masks(rows: Tensor) -> Tensor:
        masks = [mask(rows, same)] * (columns - 1) + [mask(rows, wrapped)]
        return torch.stack(masks).unsqueeze(1)

    return row_of_masks(same), row_of_masks(wrapped)


def _relative_positions(window_size: int) -> tuple[Tensor, Tensor]:
    # The SwinV2 coordinates: offsets scaled to [-8, 8], then sign(x) log2(1 + |x|) / log2(8).
    reach = window_size - 1
    line = torch.arange(-reach, reach + 1, dtype=torch.float32)
    grid = torch.stack(torch.meshgrid(line, line, indexing="ij"), dim=-1).flatten(0, 1) * (8 / max(reach, 1))
    offsets = grid.sign() * (1 + grid.abs()).log2() / math.log2(8)
    place = torch.stack(torch.meshgrid(torch.arange(window_size), torch.arange(window_size), indexing="ij"), dim=-1)
    place = place.flatten(0, 1)
    between = place[:, None] - place[None, :] + reach
    return offsets, between[..., 0] * (2 * reach + 1) + between[..., 1]
