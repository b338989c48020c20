"""The published SwinFusion computed as its papers write it: all windows at once, and nothing spared.

It is what `benchmarks.swinfusion_speed` compares with, on the weights of a `SwinFusion`: every window of the image is
cut and kept, attention is softmax(q · k + bias + mask) · v in full matrices, the image is rolled for shifted windows,
and their masks are built on every call.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from napari_swinfusion.networks import SwinFusion

MASKED = -100.0


def fuse_plainly(network: SwinFusion, planes: Tensor) -> Tensor:
    """Return the image `(b, h, w)` that `network` paints of two planes `(b, 2, h, w)`.

    The network has the published layout: patches of 1 px, no residuals, the upsampler "".
    """
    config = network.config
    if (config.patch_size, config.residual, config.upsampler, config.upscale) != (1, "none", "", 1):
        raise ValueError("The plain computation knows the published layout only.")
    net: Any = network
    size = planes.shape[2:]
    sources = []
    for i in range(2):
        branch = i % config.branches
        tokens = _enter(net, net.stem[i % len(net.stem)](planes[:, i : i + 1]))
        for group in net.extract[branch]:
            tokens = _self_blocks(group.blocks, tokens, size)
        sources.append(_enter(net, _leave(net.norm_extract[branch](tokens), size)))
    a, b = sources
    for group in net.fuse:
        a, b = _self_blocks(group.own[0], a, size), _self_blocks(group.own[-1], b, size)
        for block in group.cross:
            a, b = _cross_block(block, a, b, size)
    a, b = (
        _leave(norm(tokens), size) for norm, tokens in zip((net.norm_fuse[0], net.norm_fuse[-1]), (a, b), strict=True)
    )
    merged = functional.leaky_relu(net.merge.convolution(torch.cat([a, b], dim=1)), 0.2)
    tokens = _enter(net, merged)
    for group in net.reconstruct:
        tokens = _self_blocks(group.blocks, tokens, size)
    image: Tensor = net.paint(_leave(net.norm_reconstruct(tokens), size))
    return image[:, 0]


def _enter(net: Any, image: Tensor) -> Tensor:
    tokens: Tensor = net.embed.norm(image.flatten(2).transpose(1, 2))
    return tokens


def _leave(tokens: Tensor, size: Iterable[int]) -> Tensor:
    return tokens.transpose(1, 2).reshape(len(tokens), -1, *size)


def _self_blocks(blocks: Iterable[Any], tokens: Tensor, size: Any) -> Tensor:
    for block in blocks:
        shown = block.norm_attention(tokens)
        tokens = tokens + _windowed(block, shown, shown, size)
        tokens = tokens + block.mlp(block.norm_mlp(tokens))
    return tokens


def _cross_block(block: Any, a: Tensor, b: Tensor, size: Any) -> tuple[Tensor, Tensor]:
    one, other = block.sources[0], block.sources[-1]
    a_shown, b_shown = one.norm_attention(a), other.norm_attention(b)
    a = a + _windowed(one, a_shown, b_shown, size)
    b = b + _windowed(other, b_shown, a_shown, size)
    return a + one.mlp(one.norm_mlp(a)), b + other.mlp(other.norm_mlp(b))


def _windowed(block: Any, shown: Tensor, context: Tensor, size: Any) -> Tensor:
    side, shift = block.window_size, block.shift
    windows, keys = (_partition(tokens.unflatten(1, tuple(size)), side, shift) for tokens in (shown, context))
    mask = _mask(size, side, shift) if shift else None
    attended = _attend(block.attention, windows, keys, mask)
    b, (height, width) = len(shown), size
    grid = attended.view(b, height // side, width // side, side, side, -1).permute(0, 1, 3, 2, 4, 5)
    grid = grid.reshape(b, height, width, -1)
    if shift:
        grid = torch.roll(grid, (shift, shift), dims=(1, 2))
    return grid.flatten(1, 2)


def _attend(attention: Any, windows: Tensor, keys: Tensor, mask: Tensor | None) -> Tensor:
    count, t, dim = windows.shape
    heads = attention.num_heads
    query = attention.query(windows).view(count, t, heads, -1).transpose(1, 2) * attention.scale
    key, value = attention.key_value(keys).view(count, t, 2, heads, -1).permute(2, 0, 3, 1, 4)
    scores = query @ key.transpose(-2, -1) + attention.position_bias()
    if mask is not None:
        scores = (scores.unflatten(0, (-1, len(mask))) + mask[:, None]).flatten(0, 1)
    mixed = (scores.softmax(-1) @ value).transpose(1, 2).reshape(count, t, dim)
    projected: Tensor = attention.project(mixed)
    return projected


def _partition(grid: Tensor, side: int, shift: int) -> Tensor:
    if shift:
        grid = torch.roll(grid, (-shift, -shift), dims=(1, 2))
    b, height, width, dim = grid.shape
    windows = grid.view(b, height // side, side, width // side, side, dim).permute(0, 1, 3, 2, 4, 5)
    return windows.reshape(-1, side * side, dim)


def _mask(size: Any, side: int, shift: int) -> Tensor:
    regions = torch.zeros(1, *size, 1)
    spans = (slice(0, -side), slice(-side, -shift), slice(-shift, None))
    for i, rows in enumerate(spans):
        for j, columns in enumerate(spans):
            regions[:, rows, columns] = 3 * i + j
    labels = _partition(regions, side, 0).squeeze(-1)
    return (labels[:, None, :] != labels[:, :, None]) * MASKED
