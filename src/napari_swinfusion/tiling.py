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
    rows, columns = padded_size(height, multiple), padded_size(width, multiple)
    return [
        surround(Box(y0, y1, x0, x1), height, width, reach=reach, multiple=multiple)
        for y0, y1 in _spans(rows, core)
        for x0, x1 in _spans(columns, core)
    ]


def surround(core: Box, height: int, width: int, *, reach: int, multiple: int) -> Tile:
    """Return the tile that keeps `core` of a `height` × `width` image padded to `multiple`; halos end at its edge."""
    halo = padded_size(reach, multiple)
    read = Box(core.y0 - halo, core.y1 + halo, core.x0 - halo, core.x1 + halo)
    return Tile(read.clipped(padded_size(height, multiple), padded_size(width, multiple)), core)


def halved(core: Box, multiple: int) -> tuple[Box, Box] | None:
    """Cut a box across its longer side into two on the grid of `multiple`; None if it is one grid cell."""
    if core.height >= core.width and core.height > multiple:
        middle = core.y0 + padded_size(core.height // 2, multiple)
        return Box(core.y0, middle, core.x0, core.x1), Box(middle, core.y1, core.x0, core.x1)
    if core.width > multiple:
        middle = core.x0 + padded_size(core.width // 2, multiple)
        return Box(core.y0, core.y1, core.x0, middle), Box(core.y0, core.y1, middle, core.x1)
    return None


def _spans(length: int, step: int) -> Iterator[tuple[int, int]]:
    for start in range(0, length, step):
        yield start, min(start + step, length)
