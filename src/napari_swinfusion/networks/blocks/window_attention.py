"""Attention inside windows, written once: self-attention, or cross-attention by an optional context.

Two similarities between a query and a key, each with its relative position bias:

- "cosine" (SwinV2, arXiv 2111.09883): unit vectors, a learned temperature for each head, and a bias from a small
  network over log-spaced offsets;
- "dot" (Swin, arXiv 2103.14030): the dot product times a fixed scale, and a learned table of biases.

Both enter `scaled_dot_product_attention` as vectors and an additive bias, which is the same arithmetic in one fused
kernel. Heads stay strided views of what the linear layers wrote; nothing is copied to part them.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_swinfusion.errors import ConfigError
from napari_swinfusion.networks.blocks.heads import check_heads

Similarity = Literal["cosine", "dot"]

# The published networks take -100, whose exponential is a number that processors are slow with; this one has none.
MASKED = -1000.0
_SHORTEST = 1e-12
MAX_TEMPERATURE = 100.0
POSITION_HIDDEN = 128


class WindowAttention(nn.Module):
    """Multi-head attention among the tokens of one window.

    Parameters
    ----------
    dim
        Channels of a token.
    num_heads
        Number of heads; must divide `dim`.
    window_size
        Side of a window in tokens.
    similarity
        "cosine" or "dot"; see the module's text.
    qkv_bias
        Whether the projections to queries, keys and values add a bias.
    qk_scale
        Factor of the dot product; None is one over the root of the channels of a head.
    drop, attention_drop
        Probability with which, in training, a value of the output, or of the attention, is dropped.

    Raises
    ------
    ConfigError
        If `num_heads` does not divide `dim`, or `qk_scale` is given where the temperature is learned.
    """

    offsets: Tensor
    offset_index: Tensor

    def __init__(
        self,
        dim: int,
        num_heads: int,
        window_size: int,
        *,
        similarity: Similarity = "cosine",
        qkv_bias: bool = True,
        qk_scale: float | None = None,
        drop: float = 0.0,
        attention_drop: float = 0.0,
    ) -> None:
        super().__init__()
        check_heads(dim, num_heads)
        if similarity not in ("cosine", "dot"):
            raise ConfigError(f"There is no similarity '{similarity}'; choose cosine or dot.")
        if similarity == "cosine" and qk_scale is not None:
            raise ConfigError("Cosine similarity learns its temperature; qk_scale is for the similarity dot.")
        self.num_heads = num_heads
        self.similarity = similarity
        self.drop, self.attention_drop = drop, attention_drop
        self.query = nn.Linear(dim, dim, bias=qkv_bias)
        self.key_value = nn.Linear(dim, 2 * dim, bias=qkv_bias)
        self.project = nn.Linear(dim, dim)
        offsets, index = _relative_positions(window_size)
        self.register_buffer("offset_index", index, persistent=False)
        if similarity == "dot":
            self.scale = (dim // num_heads) ** -0.5 if qk_scale is None else qk_scale
            self.position_table = nn.Parameter(torch.empty(len(offsets), num_heads))
            nn.init.trunc_normal_(self.position_table, std=0.02)
            return
        self.scale = 1.0
        self.log_temperature = nn.Parameter(torch.full((num_heads, 1, 1), math.log(10.0)))
        self.position = nn.Sequential(
            nn.Linear(2, POSITION_HIDDEN), nn.ReLU(), nn.Linear(POSITION_HIDDEN, num_heads, bias=False)
        )
        self.register_buffer("offsets", offsets, persistent=False)

    def position_bias(self) -> Tensor:
        """Return the additive bias `(heads, t, t)` between the t tokens of a window."""
        if self.similarity == "dot":
            table: Tensor = self.position_table
        else:
            table = 16 * torch.sigmoid(self.position(self.offsets))
        return table[self.offset_index].permute(2, 0, 1).contiguous()

    def forward(self, windows: Tensor, bias: Tensor, context: Tensor | None = None) -> Tensor:
        """Return the windows `(..., t, dim)` after attention.

        Parameters
        ----------
        windows
            `(..., t, dim)`: windows of t tokens.
        bias
            `(heads, t, t)`: `position_bias()`, plus a mask where windows were shifted; or `(..., heads, t, t)`.
        context
            Where keys and values come from, shaped like `windows`; None is self-attention.
        """
        t, heads = windows.shape[-2], self.num_heads
        query, key, value = (
            part.view(-1, t, heads, part.shape[-1] // heads) for part in self._project(windows, context)
        )
        if self.similarity == "cosine":
            temperature = self.log_temperature.clamp(max=math.log(MAX_TEMPERATURE)).exp().squeeze(-1)
            query, key = _to_length(query, temperature), _to_length(key, torch.ones_like(temperature))
        mixed = self._mix(
            query.transpose(1, 2),
            key.transpose(1, 2),
            value.transpose(1, 2),
            bias.to(query.dtype).reshape(-1, *bias.shape[-3:]),
        )
        projected = self.project(mixed.transpose(1, 2).flatten(-2).view_as(windows))
        return functional.dropout(projected, self.drop, self.training)

    def _mix(self, query: Tensor, key: Tensor, value: Tensor, bias: Tensor) -> Tensor:
        drop = self.attention_drop if self.training else 0.0
        windows = len(query)
        if len(bias) not in (1, windows):
            # One bias for each window of a sample. The fused kernel takes no fifth axis, so only where it must be.
            query, key, value = (part.view(-1, len(bias), *part.shape[1:]) for part in (query, key, value))
        if torch.is_grad_enabled() and query.device.type == "cpu":
            # The fused kernel has no gradient for a bias on the CPU; what torch takes instead needs twice the time.
            scores = (query if self.scale == 1 else query * self.scale) @ key.transpose(-2, -1)
            mixed = functional.dropout(scores.add_(bias).softmax(-1), drop) @ value
        else:
            mixed = functional.scaled_dot_product_attention(query, key, value, bias, drop, scale=self.scale)
        return mixed.reshape(windows, *mixed.shape[-3:])

    def _project(self, windows: Tensor, context: Tensor | None) -> tuple[Tensor, ...]:
        shown = windows if context is None else context
        if self.similarity == "dot" and not torch.is_grad_enabled():
            # The fused kernel alone walks the parts, and takes them strided.
            return self.query(windows), *self.key_value(shown).chunk(2, dim=-1)
        # Three products, not one whose result is parted: strided parts make all that follows several times slower.
        weights = self.key_value.weight.chunk(2)
        biases = (None, None) if self.key_value.bias is None else self.key_value.bias.chunk(2)
        key, value = (functional.linear(shown, weight, bias) for weight, bias in zip(weights, biases, strict=True))
        return self.query(windows), key, value


def _to_length(vectors: Tensor, length: Tensor) -> Tensor:
    # Vectors (..., heads, d) to the `length` (heads, 1); in place where nothing remembers them.
    if torch.is_grad_enabled():
        stretched: Tensor = _ToLength.apply(vectors, length.to(vectors.dtype))  # type: ignore[no-untyped-call]
        return stretched
    return vectors.mul_(_stretch(vectors, length.to(vectors.dtype)))


def _stretch(vectors: Tensor, length: Tensor) -> Tensor:
    present: Tensor = torch.linalg.vector_norm(vectors, dim=-1, keepdim=True)
    return length / present.clamp_(min=_SHORTEST)


class _ToLength(torch.autograd.Function):
    """Vectors to a length, with a derivative of its own: half the passes over memory that its parts would take."""

    @staticmethod
    def forward(ctx: Any, vectors: Tensor, length: Tensor) -> Tensor:
        stretch = _stretch(vectors, length)
        stretched = vectors * stretch
        ctx.save_for_backward(stretched, stretch, length)
        return stretched

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        stretched, stretch, length = ctx.saved_tensors
        gradient = gradient.contiguous()  # It comes strided, and is walked twice.
        along = (gradient * stretched).sum(-1, keepdim=True)
        sideways = torch.addcmul(gradient, stretched, along / length.square(), value=-1)
        return sideways.mul_(stretch), along.flatten(0, -3).sum(0) / length


def wrapped_mask(window_size: int, shift: int, *, rows: bool, columns: bool) -> Tensor:
    """Return the mask `(t, t)` of a window whose last `shift` rows, or columns, come from the other end of the image.

    After a cyclic shift only the last row and column of windows hold tokens that were not neighbours; between those
    the mask is `MASKED`, elsewhere 0 (Swin, arXiv 2103.14030, section 3.2).
    """
    wrapped = (torch.arange(window_size) >= window_size - shift).long()
    region = (wrapped[:, None] * 2 * rows + wrapped[None, :] * columns).flatten()
    return (region[:, None] != region[None, :]) * MASKED


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
