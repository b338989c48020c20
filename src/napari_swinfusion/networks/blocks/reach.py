"""How far a chain of layers reaches: what a changed pixel touches, followed layer by layer."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Cells:
    """A layer in which all pixels of one cell see each other; cells of `size` px start at `offset`."""

    size: int
    offset: int = 0


Layer = Cells | int | None
"""A layer's part in the reach: cells; how far it reaches wherever it stands; None where it sees the whole image."""


def grid_of(layers: Iterable[Layer]) -> int:
    """Return the smallest step by which the image may be shifted without any cell being cut anew."""
    return math.lcm(*(layer.size for layer in layers if isinstance(layer, Cells)))


def scaled(layers: Iterable[Layer], factor: int) -> list[Layer]:
    """Return `layers` in px where they were in tokens of `factor` px."""
    return [
        Cells(layer.size * factor, layer.offset * factor) if isinstance(layer, Cells) else layer and layer * factor
        for layer in layers
    ]


def reach_through(layers: Sequence[Layer]) -> int | None:
    """Return the farthest distance at which a pixel changes another through `layers`; None is unbounded."""
    farthest = 0
    for pixel in range(grid_of(layers)):
        first = last = pixel
        for layer in layers:
            if layer is None:
                return None
            if isinstance(layer, Cells):
                first -= (first - layer.offset) % layer.size
                last += layer.size - 1 - (last - layer.offset) % layer.size
            else:
                first, last = first - layer, last + layer
        farthest = max(farthest, pixel - first, last - pixel)
    return farthest
