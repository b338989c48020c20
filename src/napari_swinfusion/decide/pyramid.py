"""Laplacian pyramid fusion, which paints an image of its own, and the plain mean of planes.

Burt and Kolczynski (ICCV 1993) over the pyramid of Burt and Adelson (IEEE Trans. Commun. 31, 1983): at each scale and
pixel the coefficient of the plane with the most energy around it, at the coarsest scale the mean of planes. The energy
is summed under a binomial window of 5 × 5 px, which makes neighbours choose alike without a vote afterwards. The plane
of the decision map is the one with the most energy in the two finest scales.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence

import numpy as np

from napari_swinfusion.decide.base import DeciderInfo, GreyPlanes, TileDecision
from napari_swinfusion.decide.filters import Array, gaussian_kernel, mirrored, smooth
from napari_swinfusion.decide.guards import NoiseFloor, noise_floor
from napari_swinfusion.decide.measures import focus_shares, tile_side
from napari_swinfusion.progress import CancelToken, Progress, ProgressCallback
from napari_swinfusion.tiling import Tile, plan_tiles

_BINOMIAL = np.array([1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16], dtype=np.float32)


def halved(image: Array) -> Array:
    """Smooth with the binomial and keep every second row and column; sides must be even."""
    for _ in range(2):
        lines = np.pad(image, [(2, 2), (0, 0)], mode="symmetric")
        size = len(image)
        even = [lines[i : i + size : 2] for i in range(5)]
        total: Array = (even[0] + even[4]) * _BINOMIAL[0] + (even[1] + even[3]) * _BINOMIAL[1] + even[2] * _BINOMIAL[2]
        image = total.T
    return image


def doubled(image: Array) -> Array:
    """Interpolate to twice the size with the same binomial."""
    for _ in range(2):
        lines = np.pad(image, [(1, 1), (0, 0)], mode="symmetric")
        fine = np.empty((2 * len(image), image.shape[1]), dtype=np.float32)
        fine[0::2] = (lines[:-2] + lines[2:]) * 0.125 + lines[1:-1] * 0.75
        fine[1::2] = (lines[1:-1] + lines[2:]) * 0.5
        image = fine.T
    return image


def analyse(image: Array, levels: int) -> list[Array]:
    """Return `levels` bands of detail, finest first, and the coarse rest; sides must be multiples of 2 ** levels."""
    bands: list[Array] = []
    for _ in range(levels):
        coarse = halved(image)
        bands.append(image - doubled(coarse))
        image = coarse
    return [*bands, image]


def synthesise(bands: Sequence[Array]) -> Array:
    """Undo `analyse`."""
    image: Array = bands[-1]
    for band in reversed(bands[:-1]):
        image = band + doubled(image)
    return image


def _energy(band: Array, kernel: Array) -> Array:
    square: Array = band * band
    return smooth(np.pad(square, len(kernel) // 2, mode="symmetric"), kernel)


@functools.cache
def _noise_gain() -> float:
    """Mean energy that white noise of variance 1 has in the two finest bands together."""
    noise = np.random.default_rng(0).standard_normal((512, 512)).astype(np.float32)
    finest, second, _ = analyse(noise, 2)
    return float(np.mean(finest * finest) + np.mean(second * second))


class LaplacianPyramidDecider:
    """Fusion of the Laplacian pyramids of all planes, one plane at a time.

    Parameters
    ----------
    levels
        Bands of detail above the coarse rest.
    tile
        Side of a tile, px, rounded down to a multiple of 2 ** levels.
    """

    info = DeciderInfo(
        name="laplacian-pyramid",
        summary="Strongest detail at each of five scales (Laplacian pyramid); paints an image of its own.",
        value_preserving=False,
    )

    def __init__(self, *, levels: int = 5, tile: int | None = None):
        self._levels = levels
        self._tile = tile or 512

    @property
    def reach(self) -> int:
        """Farthest distance (px) at which a pixel of a plane changes the answer."""
        coarsest = 1 << (self._levels - 1)
        analysis, window, synthesis = 6 * coarsest - 2, 2 * coarsest, 2 * coarsest - 2
        return analysis + window + synthesis

    def decide(
        self,
        planes: GreyPlanes,
        *,
        progress: ProgressCallback | None = None,
        cancel: CancelToken | None = None,
    ) -> Iterator[TileDecision]:
        """Yield the answer tile by tile; see `Decider.decide`."""
        floor = noise_floor(planes)
        tiles = plan_tiles(planes.height, planes.width, core=self._tile, reach=self.reach, multiple=1 << self._levels)
        for done, tile in enumerate(tiles, start=1):
            if cancel is not None:
                cancel.check()
            yield self._fuse(planes, tile, floor)
            if progress is not None:
                progress(Progress(stage="decide", done=done, total=len(tiles)))

    def _fuse(self, planes: GreyPlanes, tile: Tile, floor: NoiseFloor) -> TileDecision:
        box = tile.core.clipped(planes.height, planes.width)
        inner = box.within(tile.read).slices
        sharpness = np.empty((planes.n_planes, box.height, box.width), dtype=np.float32)
        strongest: list[Array] = []
        energies: list[Array] = []
        for k in range(planes.n_planes):
            bands = analyse(mirrored(planes, tile.read, k), self._levels)
            found = [_energy(band, _BINOMIAL) for band in bands[:-1]]
            sharpness[k] = _sharpness(bands)[inner]
            if not strongest:
                strongest, energies = bands, found
                continue
            strongest[-1] += bands[-1]
            for level, energy in enumerate(found):
                higher = energy > energies[level]
                energies[level][higher] = energy[higher]
                strongest[level][higher] = bands[level][higher]
        strongest[-1] /= planes.n_planes
        image = synthesise(strongest)[inner]
        shares = focus_shares(sharpness, floor.variance(image) * np.float32(_noise_gain()))
        return TileDecision(box=box, weights=shares, image=image)


def _sharpness(bands: Sequence[Array]) -> Array:
    """Energy of the two finest bands, under windows of the same size."""
    finest, second = _energy(bands[0], gaussian_kernel(2.0)), _energy(bands[1], gaussian_kernel(1.0))
    return finest + doubled(second)


class MeanDecider:
    """The plain mean of all planes: no detail survives, but no noise is chosen either."""

    info = DeciderInfo(name="mean", summary="Plain mean of all planes, to compare with.")

    def __init__(self, *, tile: int | None = None):
        self._tile = tile

    def decide(
        self,
        planes: GreyPlanes,
        *,
        progress: ProgressCallback | None = None,
        cancel: CancelToken | None = None,
    ) -> Iterator[TileDecision]:
        """Yield the same share for every plane, tile by tile; see `Decider.decide`."""
        n = planes.n_planes
        side = self._tile or tile_side(n)
        tiles = plan_tiles(planes.height, planes.width, core=side, reach=0, multiple=1)
        for done, tile in enumerate(tiles, start=1):
            if cancel is not None:
                cancel.check()
            shares = np.full((n, tile.core.height, tile.core.width), 1 / n, dtype=np.float32)
            yield TileDecision(box=tile.core, weights=shares)
            if progress is not None:
                progress(Progress(stage="decide", done=done, total=len(tiles)))
