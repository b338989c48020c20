"""Groups of Swin blocks with a residual around them: RSTB (SwinIR, arXiv 2108.10257) and CRSTB (SwinFusion)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from napari_swinfusion.errors import ConfigError
from napari_swinfusion.networks.blocks.bands import from_bands, in_one_piece
from napari_swinfusion.networks.blocks.channels_last import convolve
from napari_swinfusion.networks.blocks.reach import Cells, Layer
from napari_swinfusion.networks.blocks.swin import CrossSwinBlock, SwinBlock, SwinOptions, SwinStage

Residual = Literal["none", "1conv", "3conv"]
_RESIDUAL_REACH: dict[Residual, int] = {"none": 0, "1conv": 1, "3conv": 2}


@dataclass(frozen=True, kw_only=True)
class GroupOptions:
    """What the groups of one network have in common.

    Attributes
    ----------
    dim, window_size, mlp_ratio
        As in `SwinBlock`.
    swin
        What kind of blocks.
    residual
        What follows the blocks before the group's input is added: "1conv" one 3 × 3 convolution, "3conv" three that
        narrow to a quarter of the channels between; "none" leaves out the addition too.
    checkpointing
        Whether training computes the blocks again on its way back, instead of keeping what happened inside them.
    """

    dim: int
    window_size: int
    mlp_ratio: float
    swin: SwinOptions
    residual: Residual = "none"
    checkpointing: bool = False


class SwinGroup(nn.Module):
    """A run of Swin blocks, and a residual around it (RSTB).

    Parameters
    ----------
    drop_paths
        One probability for each block, which also says how many blocks there are.

    Raises
    ------
    ConfigError
        If there is no such residual.
    """

    def __init__(self, options: GroupOptions, num_heads: int, drop_paths: list[float]) -> None:
        super().__init__()
        self.options = options
        self.blocks = _stage(options, num_heads, drop_paths)
        self.residual = _residual(options)

    def forward(self, tokens: Tensor, finished: Callable[[], None]) -> Tensor:
        """Return the tokens `(b, h, w, dim)` after the group; overwrites them, unless `in_one_piece`.

        `finished` is called after each block.
        """
        kept = tokens if self.residual is None or in_one_piece(tokens) else tokens.clone()
        tokens = _run(self.blocks, tokens, self.options.checkpointing, finished)
        return _add_residual(self.residual, tokens, kept)

    def layers(self) -> Iterator[Layer]:
        """Yield what the layers do to the reach, in tokens; see `reach_through`."""
        yield from _cells(self.blocks)
        yield _RESIDUAL_REACH[self.options.residual]


class CrossSwinGroup(nn.Module):
    """Each of two sources passes blocks of its own, then both query each other; and a residual around it (CRSTB).

    Parameters
    ----------
    drop_paths
        One probability for each block, which also says how many blocks there are of either kind.
    branches
        1 if both sources pass the same weights, else 2.

    Raises
    ------
    ConfigError
        If there is no such residual.
    """

    def __init__(self, options: GroupOptions, num_heads: int, drop_paths: list[float], branches: int) -> None:
        super().__init__()
        self.options = options
        self.own = nn.ModuleList(_stage(options, num_heads, drop_paths) for _ in range(branches))
        half = options.window_size // 2 if options.swin.shifted else 0
        self.cross = nn.ModuleList(
            CrossSwinBlock(
                options.dim,
                num_heads,
                options.window_size,
                (i % 2) * half,
                options.mlp_ratio,
                options.swin,
                drop_path,
                branches=branches,
            )
            for i, drop_path in enumerate(drop_paths)
        )
        self.residual = nn.ModuleList(
            layer for layer in (_residual(options) for _ in range(branches)) if layer is not None
        )

    def forward(self, tokens: Tensor, finished: Callable[[], None]) -> Tensor:
        """Return the tokens `(2, b, h, w, dim)` after the group; overwrites them, unless `in_one_piece`.

        `finished` is called after each block of each source, and after each that crosses them.
        """
        memory = self.options.checkpointing
        kept = tokens if not len(self.residual) or in_one_piece(tokens) else tokens.clone()
        own = [
            _run(self.own[i % len(self.own)], source, memory, finished)  # type: ignore[arg-type]
            for i, source in enumerate(tokens)
        ]
        if in_one_piece(tokens):
            tokens = torch.stack(own)
        tokens = _run(self.cross, tokens, memory, finished)
        if not len(self.residual):
            return tokens
        return torch.stack(
            [
                _add_residual(self.residual[i % len(self.residual)], after, before)
                for i, (after, before) in enumerate(zip(tokens, kept, strict=True))
            ]
        )

    def layers(self) -> Iterator[Layer]:
        """Yield what the layers do to the reach, in tokens; see `reach_through`."""
        yield from _cells(self.own[0])  # type: ignore[arg-type]
        yield from _cells(block.sources[0] for block in self.cross)  # type: ignore[index, misc]
        yield _RESIDUAL_REACH[self.options.residual]


def _stage(options: GroupOptions, num_heads: int, drop_paths: list[float]) -> SwinStage:
    return SwinStage(
        options.dim, len(drop_paths), num_heads, options.window_size, options.mlp_ratio, options.swin, drop_paths
    )


def _residual(options: GroupOptions) -> nn.Module | None:
    dim, kind = options.dim, options.residual
    if kind not in get_args(Residual):
        raise ConfigError(f"There is no residual '{kind}'; known are {', '.join(get_args(Residual))}.")
    if kind == "none":
        return None
    if kind == "1conv":
        return nn.Conv2d(dim, dim, 3, padding=1)
    narrow = max(dim // 4, 1)
    return nn.Sequential(
        nn.Conv2d(dim, narrow, 3, padding=1),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(narrow, narrow, 1),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(narrow, dim, 3, padding=1),
    )


def _run(blocks: Iterable[nn.Module], tokens: Tensor, checkpointing: bool, finished: Callable[[], None]) -> Tensor:
    for block in blocks:
        if checkpointing and torch.is_grad_enabled():
            tokens = checkpoint(block, tokens, use_reentrant=False)
        else:
            tokens = block(tokens)
        finished()
    return tokens


def _add_residual(layer: nn.Module | None, tokens: Tensor, kept: Tensor) -> Tensor:
    if layer is None:
        return tokens
    return from_bands(partial(convolve, layer), tokens, halo=2).add_(kept)


def _cells(blocks: Iterable[nn.Module]) -> Iterator[Cells]:
    for block in blocks:
        assert isinstance(block, SwinBlock)
        yield Cells(block.window_size, block.shift)
