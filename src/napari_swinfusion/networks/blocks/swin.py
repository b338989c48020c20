"""The Swin block: attention in (shifted) windows, then a token-wise MLP; and its stages.

By default as in SwinV2 (arXiv 2111.09883): cosine attention, each branch normalised after. `SWIN_V1` is the block of
Swin (arXiv 2103.14030): dot products with a table of biases, each branch normalised before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_swinfusion.errors import ConfigError
from napari_swinfusion.networks.blocks.layer_norm import LayerNorm
from napari_swinfusion.networks.blocks.window_attention import Similarity, WindowAttention
from napari_swinfusion.networks.blocks.windows import in_windows

NORMS: dict[str, type[nn.Module]] = {"layer_norm": LayerNorm, "rms_norm": nn.RMSNorm}


def make_norm(name: str, dim: int) -> nn.Module:
    """Return the normalisation over `dim` channels called `name`.

    Raises
    ------
    ConfigError
        If there is none of that name.
    """
    if name not in NORMS:
        raise ConfigError(f"There is no normalisation '{name}'; known are {', '.join(NORMS)}.")
    return NORMS[name](dim)


@dataclass(frozen=True, kw_only=True)
class SwinOptions:
    """What kind of Swin block.

    Attributes
    ----------
    similarity, qkv_bias, qk_scale, drop, attention_drop
        As in `WindowAttention`; `drop` also holds for the MLP.
    norm_first
        Whether a branch is normalised before it is computed, or its result after.
    norm
        A name of `NORMS`.
    shifted
        Whether the windows of every second block of a stage are shifted by half.
    """

    similarity: Similarity = "cosine"
    qkv_bias: bool = True
    qk_scale: float | None = None
    drop: float = 0.0
    attention_drop: float = 0.0
    norm_first: bool = False
    norm: str = "layer_norm"
    shifted: bool = True


SWIN_V2 = SwinOptions()
SWIN_V1 = SwinOptions(similarity="dot", norm_first=True)


class SwinBlock(nn.Module):
    """One Swin block on tokens `(..., h, w, dim)`; h and w are multiples of `window_size`.

    Parameters
    ----------
    shift
        Tokens by which the windows are moved down and right, so that neighbouring windows exchange.
    mlp_ratio
        Width of the MLP over `dim`.
    options
        What kind of block.
    drop_path
        Probability with which, in training, a sample (first axis) goes past a branch (arXiv 1603.09382).
    """

    def __init__(
        self,
        dim: int,
        num_heads: int,
        window_size: int,
        shift: int,
        mlp_ratio: float,
        options: SwinOptions = SWIN_V2,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        self.window_size = window_size
        self.shift = shift
        self.norm_first, self.drop, self.drop_path = options.norm_first, options.drop, drop_path
        self.attention = WindowAttention(
            dim,
            num_heads,
            window_size,
            similarity=options.similarity,
            qkv_bias=options.qkv_bias,
            qk_scale=options.qk_scale,
            drop=options.drop,
            attention_drop=options.attention_drop,
        )
        self.norm_attention = make_norm(options.norm, dim)
        hidden = int(dim * mlp_ratio)
        self.mlp = nn.Sequential(nn.Linear(dim, hidden), nn.GELU(), nn.Linear(hidden, dim))
        self.norm_mlp = make_norm(options.norm, dim)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the tokens after the block, same shape; `tokens` is overwritten, unless it is `in_one_piece`."""
        bias, paths = self.attention.position_bias(), self.draw_paths(len(tokens))

        def step(windows: Tensor, mask: Tensor | None) -> Tensor:
            return self.on_windows(windows, bias if mask is None else bias + mask, paths)

        return in_windows(step, tokens, size=self.window_size, shift=self.shift)

    def draw_paths(self, samples: int) -> Tensor | None:
        """Return the factors `(2, samples, 1, 1, 1, 1)` of the two branches in this pass; None where all are 1."""
        if not (self.training and self.drop_path):
            return None
        kept = torch.rand(2, samples, 1, 1, 1, 1, device=self.attention.project.weight.device) >= self.drop_path
        return kept / (1 - self.drop_path)

    def on_windows(self, windows: Tensor, bias: Tensor, paths: Tensor | None, context: Tensor | None = None) -> Tensor:
        """Return the windows `(b, r, c, t, dim)` after the block.

        Parameters
        ----------
        bias
            `(heads, t, t)`: the position bias of the attention, plus a mask where windows were shifted.
        paths
            What `draw_paths` returned.
        context
            What another source shows (its block's `shown`) for keys and values; None is self-attention.
        """
        first, second = (None, None) if paths is None else paths
        windows = self._add(windows, first, self.attention(self.shown(windows), bias, context), self.norm_attention)
        return self._add(windows, second, self._mlp(windows), self.norm_mlp)

    def shown(self, windows: Tensor) -> Tensor:
        """Return what attention sees of the windows: normalised, where the norm comes first."""
        shown: Tensor = self.norm_attention(windows) if self.norm_first else windows
        return shown

    def _mlp(self, windows: Tensor) -> Tensor:
        narrow, act, widen = self.mlp
        hidden = act(narrow(self.norm_mlp(windows) if self.norm_first else windows))
        return functional.dropout(widen(functional.dropout(hidden, self.drop, self.training)), self.drop, self.training)

    def _add(self, windows: Tensor, path: Tensor | None, branch: Tensor, norm: nn.Module) -> Tensor:
        if not self.norm_first:
            branch = norm(branch)
        return (branch if path is None else branch * path).add_(windows)


class CrossSwinBlock(nn.Module):
    """Two sources, each with a block of its own, that take their keys and values from the other.

    Parameters are those of `SwinBlock`; with `branches=1` both sources share one block.
    """

    def __init__(
        self,
        dim: int,
        num_heads: int,
        window_size: int,
        shift: int,
        mlp_ratio: float,
        options: SwinOptions = SWIN_V1,
        drop_path: float = 0.0,
        *,
        branches: int = 2,
    ) -> None:
        super().__init__()
        self.sources = nn.ModuleList(
            SwinBlock(dim, num_heads, window_size, shift, mlp_ratio, options, drop_path) for _ in range(branches)
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the tokens `(2, b, h, w, dim)` after the block; overwrites them, unless `in_one_piece`."""
        blocks = [block for block in self.sources if isinstance(block, SwinBlock)] * (2 // len(self.sources))
        biases = [block.attention.position_bias() for block in blocks]
        paths = [block.draw_paths(tokens.shape[1]) for block in blocks]

        def step(windows: Tensor, mask: Tensor | None) -> Tensor:
            shown = [block.shown(own) for block, own in zip(blocks, windows, strict=True)]
            fused = [
                block.on_windows(own, bias if mask is None else bias + mask, path, other)
                for block, own, bias, path, other in zip(blocks, windows, biases, paths, reversed(shown), strict=True)
            ]
            return torch.stack(fused)

        return in_windows(step, tokens, size=blocks[0].window_size, shift=blocks[0].shift)


class SwinStage(nn.Sequential):
    """A run of blocks whose windows are alternately in place and shifted by half.

    Parameters are those of `SwinBlock`; `drop_path` holds one probability a block.
    """

    def __init__(
        self,
        dim: int,
        depth: int,
        num_heads: int,
        window_size: int,
        mlp_ratio: float,
        options: SwinOptions = SWIN_V2,
        drop_path: Sequence[float] | None = None,
    ) -> None:
        half = window_size // 2 if options.shifted else 0
        super().__init__(
            *(
                SwinBlock(dim, num_heads, window_size, (i % 2) * half, mlp_ratio, options, path)
                for i, path in enumerate(drop_path or [0.0] * depth)
            )
        )
