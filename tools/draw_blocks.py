"""Draw what one token sees through each merger and mixer, for docs/explanation/networks.md.

Each panel is the gradient of the token in the middle by all tokens around it, over many fresh blocks and images.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from napari_swinfusion.networks.blocks.mergers import MERGERS, make_merger
from napari_swinfusion.networks.blocks.mixers import MIXERS, make_mixer

PICTURE = Path(__file__).resolve().parent.parent / "docs" / "images" / "blocks.png"
SIDE, DIM, DRAWS = 56, 16, 24
# Where the token stands that looks around: off the middle of its window, so that windows show.
PLACE = 26
CELL, GAP, TITLE = 4, 14, 24
DECADES = 4


def main() -> None:
    """Draw the mergers in the first row and the mixers in the second."""
    rows = [
        [(name, seen(partial(make_merger, name, DIM), (1, 2, DIM))) for name in MERGERS],
        [(name, seen(partial(make_mixer, name, DIM), (1, DIM))) for name in MIXERS],
    ]
    panel = SIDE * CELL
    columns = max(map(len, rows))
    size = (columns * (panel + GAP) + GAP, len(rows) * (panel + TITLE + GAP) + GAP)
    picture = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(15)
    for i, row in enumerate(rows):
        for k, (name, field) in enumerate(row):
            x, y = GAP + k * (panel + GAP), GAP + i * (panel + TITLE + GAP)
            draw.text((x, y), name, fill="black", font=font)
            picture.paste(coloured(field).resize((panel, panel), Image.Resampling.NEAREST), (x, y + TITLE))
            draw.rectangle((x - 1, y + TITLE - 1, x + panel, y + TITLE + panel), outline="#cccccc")
            middle = PLACE * CELL
            draw.rectangle(
                (x + middle, y + TITLE + middle, x + middle + CELL - 1, y + TITLE + middle + CELL - 1), "red"
            )
    picture.save(PICTURE, optimize=True)


def seen(make: Callable[[], torch.nn.Module], shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return the mean size of the gradient `(SIDE, SIDE)` over fresh blocks."""
    total = np.zeros((SIDE, SIDE))
    for seed in range(DRAWS):
        torch.manual_seed(seed)
        given = torch.randn(*shape, SIDE, SIDE, dtype=torch.float64, requires_grad=True)
        block = make().double()
        (block(given)[0, :, PLACE, PLACE] * torch.randn(DIM, dtype=torch.float64)).sum().backward()
        assert given.grad is not None
        total += given.grad.abs().flatten(0, -3).sum(0).numpy()
    return total / total.max()


def coloured(field: NDArray[np.float64]) -> Image.Image:
    """Return white where nothing is seen, from pale to dark blue over the decades below the strongest."""
    with np.errstate(divide="ignore"):
        depth = np.clip(1 + np.log10(field) / DECADES, 0, 1)
    depth = np.where(field > 0, 0.12 + 0.88 * depth, 0)
    dark = np.array([8, 48, 107])
    return Image.fromarray((255 - depth[..., None] * (255 - dark)).astype(np.uint8))


if __name__ == "__main__":
    main()
