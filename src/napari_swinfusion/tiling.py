"""Pure geometry of tiles: which box to read, which to keep, which to write; no pixels, no network.

With a network of finite reach, origins on its grid and a halo of at least its reach, a tiled result equals the
untiled one exactly; so tiles are cropped and never blended.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Box:
    """Rows `y0:y1` and columns `x0:x1`, in px."""

    y0: int
    y1: int
    x0: int
    x1: int

    @property
    def height(self) -> int:
        """Number of rows."""
        return self.y1 - self.y0

    @property
    def width(self) -> int:
        """Number of columns."""
        return self.x1 - self.x0

    @property
    def slices(self) -> tuple[slice, slice]:
        """Index of this box in an array whose last two axes are Y and X (after `...,`)."""
        return slice(self.y0, self.y1), slice(self.x0, self.x1)

    def within(self, outer: Box) -> Box:
        """Return this box in the coordinates of `outer`."""
        return Box(self.y0 - outer.y0, self.y1 - outer.y0, self.x0 - outer.x0, self.x1 - outer.x0)

    def clipped(self, height: int, width: int) -> Box:
        """Return the part of this box inside an image of `height` × `width`."""
        return Box(max(self.y0, 0), min(self.y1, height), max(self.x0, 0), min(self.x1, width))


@dataclass(frozen=True)
class Tile:
    """One step of work: read `read`, keep `core` of it; both in padded coordinates (`read` includes the halo)."""

    read: Box
    core: Box


def padded_size(size: int, multiple: int) -> int:
    """Return the smallest multiple of `multiple` that is at least `size`."""
    return math.ceil(size / multiple) * multiple


def plan_tiles(height: int, width: int, *, core: int, reach: int, multiple: int) -> list[Tile]:
    """Cut a `height` × `width` image, padded to `multiple`, into tiles that reproduce the untiled result.

    Parameters
    ----------
    core
        Largest side of the part kept from a tile, px; rounded down to `multiple`, at least one `multiple`.
    reach
        Farthest distance at which an input pixel changes an output pixel, px; the halo is the next `multiple`.
    multiple
        The network's grid: origins and sizes of all boxes are multiples of it.

    Returns
    -------
    Row-major tiles whose cores cover the padded image once; halos end at its edge.
    """
    core = max(core // multiple, 1) * multiple
    halo = padded_size(reach, multiple)
    rows, columns = padded_size(height, multiple), padded_size(width, multiple)
    return [
        Tile(
            Box(y0 - halo, y1 + halo, x0 - halo, x1 + halo).clipped(rows, columns),
            Box(y0, y1, x0, x1),
        )
        for y0, y1 in _spans(rows, core)
        for x0, x1 in _spans(columns, core)
    ]


def _spans(length: int, step: int) -> Iterator[tuple[int, int]]:
    for start in range(0, length, step):
        yield start, min(start + step, length)
