"""Cut tokens into windows, in place or shifted, and put them back; band by band where that spares memory."""

from __future__ import annotations

from collections.abc import Callable

import torch
from einops import rearrange
from torch import Tensor

from napari_swinfusion.networks.blocks.bands import in_bands, in_one_piece
from napari_swinfusion.networks.blocks.window_attention import MASKED, wrapped_mask

Step = Callable[[Tensor, Tensor | None], Tensor]


def in_windows(step: Step, tokens: Tensor, *, size: int, shift: int) -> Tensor:
    """Return the tokens `(..., h, w, dim)` after `step` on every window; overwrites them, unless `in_one_piece`.

    Windows shifted down and right by `shift` wrap around the image. Where memory is spared they are cut region by
    region, without rolling the image: those inside, those around its sides, around its top and bottom, and the one
    around its corners.

    Parameters
    ----------
    step
        Takes windows `(..., r, c, t, dim)` and their mask `(t, t)` or `(r, c, 1, t, t)`, None where there is nothing
        to mask; keeps the shape, and the windows apart.
    size
        Side of a window; divides h and w.
    shift
        Less than `size`; 0 for windows in place.
    """
    if not shift:
        return _cut(step, tokens, None, size)
    if in_one_piece(tokens):
        return _rolled(step, tokens, size, shift)
    rest = size - shift
    body = tokens[..., shift:-rest, shift:-rest, :]
    sides = torch.cat([tokens[..., shift:-rest, -rest:, :], tokens[..., shift:-rest, :shift, :]], dim=-2)
    ends = torch.cat([tokens[..., -rest:, :, :], tokens[..., :shift, :, :]], dim=-3)
    corners = torch.cat([ends[..., -rest:, :], ends[..., :shift, :]], dim=-2)
    body = _cut(step, body, None, size)
    sides = _cut(step, sides, wrapped_mask(size, shift, rows=False, columns=True), size)
    ends = _cut(step, ends[..., shift:-rest, :], wrapped_mask(size, shift, rows=True, columns=False), size)
    corners = _cut(step, corners, wrapped_mask(size, shift, rows=True, columns=True), size)
    ends = torch.cat([corners[..., rest:, :], ends, corners[..., :rest, :]], dim=-2)
    tokens[..., shift:-rest, -rest:, :], tokens[..., shift:-rest, :shift, :] = torch.split(sides, [rest, shift], -2)
    tokens[..., -rest:, :, :], tokens[..., :shift, :, :] = torch.split(ends, [rest, shift], -3)
    return tokens


def _rolled(step: Step, tokens: Tensor, size: int, shift: int) -> Tensor:
    rows, columns = tokens.shape[-3] // size, tokens.shape[-2] // size
    masks = torch.zeros(rows, columns, 1, size**2, size**2)
    masks[:, -1] += wrapped_mask(size, shift, rows=False, columns=True)
    masks[-1] += wrapped_mask(size, shift, rows=True, columns=False)
    masks = masks.clamp(min=MASKED)
    rolled = _cut(step, tokens.roll((-shift, -shift), (-3, -2)), masks, size)
    return rolled.roll((shift, shift), (-3, -2))


def _cut(step: Step, tokens: Tensor, mask: Tensor | None, size: int) -> Tensor:
    if not tokens.numel():
        return tokens
    if mask is not None:
        mask = mask.to(tokens)

    def step_on_grid(grid: Tensor) -> Tensor:
        return step(grid.flatten(-3, -2), mask).view_as(grid)

    # A view, so that a band is copied once on its way in and once on its way out.
    grid = rearrange(tokens, "... (r i) (c j) d -> ... r c i j d", i=size, j=size)
    done: Tensor = rearrange(in_bands(step_on_grid, grid, axis=-5), "... r c i j d -> ... (r i) (c j) d")
    return done
