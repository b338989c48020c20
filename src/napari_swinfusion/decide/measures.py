"""Classical focus measures: the plane with the most local detail wins, where there is detail at all.

Three measures of detail: the energy of the Sobel gradient (Tenengrad; Krotkov, Int. J. Comput. Vis. 1, 1987), of the
Laplacian (Subbarao et al., Opt. Eng. 32, 1993) and of the deviation from the local mean (grey-level variance; Groen et
al., Cytometry 6, 1985), each summed under a Gaussian window. Textbooks stop at the sharpest plane. Guarded, a
measure goes on: where the sharpest plane differs from the mean of planes by no more than noise, the mean is the better
estimate, and between the two the weight is the Wiener one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_swinfusion.decide.base import DeciderInfo, GreyPlanes, TileDecision
from napari_swinfusion.decide.filters import Array, cropped, gaussian_kernel, grown, mirrored, smooth
from napari_swinfusion.decide.guards import NoiseFloor, noise_floor
from napari_swinfusion.progress import CancelToken, Progress, ProgressCallback
from napari_swinfusion.tiling import Box, plan_tiles

# Values of weights a tile may hold, n × side²; the side follows from it, so that memory does not grow with planes.
_TILE_VALUES = 1 << 22


@dataclass(frozen=True, kw_only=True)
class Measure:
    """Detail at each pixel, before the window sums it up.

    Attributes
    ----------
    energy
        Takes `(h + 2 radius, w + 2 radius)`, returns `(h, w)`.
    radius
        Pixels it looks to each side.
    noise_gain
        Mean energy of white noise of variance 1.
    """

    summary: str
    energy: Callable[[Array], Array]
    radius: int
    noise_gain: float


def sobel_energy(image: Array) -> Array:
    """Squared length of the Sobel gradient, per px."""
    rows: Array = image[:-2] + 2 * image[1:-1] + image[2:]
    columns: Array = image[:, :-2] + 2 * image[:, 1:-1] + image[:, 2:]
    across: Array = rows[:, 2:] - rows[:, :-2]
    along: Array = columns[2:] - columns[:-2]
    return across * across + along * along


def laplacian_energy(image: Array) -> Array:
    """Squared five-point Laplacian."""
    centre = image[1:-1, 1:-1]
    around = image[:-2, 1:-1] + image[2:, 1:-1] + image[1:-1, :-2] + image[1:-1, 2:]
    edge: Array = around - 4 * centre
    return edge * edge


def variance_energy(image: Array) -> Array:
    """Squared deviation from the mean of 7 × 7 px."""
    deviation = cropped(image, 3) - smooth(image, np.full(7, 1 / 7, dtype=np.float32))
    return deviation * deviation


MEASURES = {
    "tenengrad": Measure(
        summary="Sharpest plane by gradient energy (Tenengrad), mean of planes where only noise differs.",
        energy=sobel_energy,
        radius=1,
        noise_gain=24.0,
    ),
    "laplacian-energy": Measure(
        summary="Sharpest plane by Laplacian energy, mean of planes where only noise differs.",
        energy=laplacian_energy,
        radius=1,
        noise_gain=20.0,
    ),
    "variance": Measure(
        summary="Sharpest plane by local variance, mean of planes where only noise differs.",
        energy=variance_energy,
        radius=3,
        noise_gain=1 - 1 / 49,
    ),
}


class MeasureDecider:
    """A classical measure as a decider, plane by plane inside tiles.

    Parameters
    ----------
    name
        Key of `MEASURES`.
    window
        Sigma of the Gaussian window, px.
    guard
        False gives the textbook rule: the sharpest plane everywhere, however little it stands out.
    tile
        Side of a tile, px; by default such that its weights take 16 MiB.
    """

    def __init__(self, name: str = "tenengrad", *, window: float = 2.5, guard: bool = True, tile: int | None = None):
        self._measure = MEASURES[name]
        self._kernel = gaussian_kernel(window)
        self._guard = guard
        self._tile = tile
        self.info = DeciderInfo(
            name=name if guard else f"{name}-argmax",
            summary=self._measure.summary if guard else f"Textbook {name}: the sharpest plane everywhere.",
        )

    @property
    def reach(self) -> int:
        """Farthest distance (px) at which a pixel of a plane changes the answer."""
        radius = len(self._kernel) // 2
        return self._measure.radius + radius * (2 if self._guard else 1)

    def decide(
        self,
        planes: GreyPlanes,
        *,
        progress: ProgressCallback | None = None,
        cancel: CancelToken | None = None,
    ) -> Iterator[TileDecision]:
        """Yield the answer tile by tile; see `Decider.decide`."""
        floor = noise_floor(planes) if self._guard else None
        side = self._tile or tile_side(planes.n_planes)
        tiles = plan_tiles(planes.height, planes.width, core=side, reach=self.reach, multiple=1)
        for done, tile in enumerate(tiles, start=1):
            if cancel is not None:
                cancel.check()
            yield self._choose(planes, tile.core) if floor is None else self._weigh(planes, tile.core, floor)
            if progress is not None:
                progress(Progress(stage="decide", done=done, total=len(tiles)))

    def _choose(self, planes: GreyPlanes, box: Box) -> TileDecision:
        """Give each pixel wholly to its sharpest plane."""
        winner = _Winner()
        for k in range(planes.n_planes):
            winner.meet(k, self._sharpness(mirrored(planes, grown(box, self.reach), k)))
        return TileDecision(box=box, weights=one_hot(winner.index, planes.n_planes))

    def _weigh(self, planes: GreyPlanes, box: Box, floor: NoiseFloor) -> TileDecision:
        """Mix the sharpest plane with the mean of planes by how much they differ beyond the noise."""
        n, radius = planes.n_planes, len(self._kernel) // 2
        sharpness = np.empty((n, box.height, box.width), dtype=np.float32)
        winner = _Winner()
        mean: Array = np.zeros((box.height + 2 * radius, box.width + 2 * radius), dtype=np.float32)
        for k in range(n):
            plane = mirrored(planes, grown(box, self.reach), k)
            energy = self._sharpness(plane)
            grey = cropped(plane, self.reach - radius)
            winner.meet(k, energy, grey)
            sharpness[k] = cropped(energy, radius)
            mean += grey
        mean /= n
        noise = floor.variance(smooth(mean, self._kernel))
        trust = wiener(smooth((winner.grey - mean) ** 2, self._kernel), noise * (1 - 1 / n))
        weights = one_hot(cropped(winner.index, radius), n)
        weights *= trust
        weights += (1 - trust) / n
        return TileDecision(box=box, weights=weights, focus=focus_shares(sharpness, noise * self._measure.noise_gain))

    def _sharpness(self, plane: Array) -> Array:
        return smooth(self._measure.energy(plane), self._kernel)


def tile_side(n: int) -> int:
    """Return the side (px) at which the weights of `n` planes take 16 MiB, at least 64."""
    return max(math.isqrt(_TILE_VALUES // n), 64)


class _Winner:
    """The sharpest plane so far; of equal ones the first."""

    def __init__(self) -> None:
        self.index: NDArray[np.intp]
        self.grey: Array
        self._energy: Array | None = None

    def meet(self, plane: int, energy: Array, grey: Array | None = None) -> None:
        """Let `plane` win where its energy is higher."""
        if self._energy is None:
            self._energy = energy.copy()
            self.index = np.zeros(energy.shape, dtype=np.intp)
            if grey is not None:
                self.grey = grey.copy()
            return
        higher = energy > self._energy
        self._energy[higher] = energy[higher]
        self.index[higher] = plane
        if grey is not None:
            self.grey[higher] = grey[higher]


def one_hot(index: NDArray[np.intp], n: int) -> Array:
    """Return `(n, h, w)`: 1 for the plane named by `index`, 0 for the others."""
    shares = np.zeros((n, *index.shape), dtype=np.float32)
    np.put_along_axis(shares, index[None], 1, axis=0)
    return shares


def wiener(difference: Array, noise: Array) -> Array:
    """Return the share, [0, 1], of the sharpest plane that gives the least expected squared error.

    Parameters
    ----------
    difference
        Local mean square of sharpest plane minus mean of planes.
    noise
        What noise alone would make of it.
    """
    # Half more than the noise: choosing the sharpest of n planes picks the largest of n noises, not a typical one.
    return np.maximum(1 - 1.5 * noise / np.maximum(difference, np.finfo(np.float32).tiny), 0)


def focus_shares(sharpness: Array, noise: Array) -> Array:
    """Turn windowed energies into the probability that each plane is the sharpest.

    Shares grow with the fourth power of the energy above the noise; all are equal where no plane rises above it.

    Parameters
    ----------
    sharpness
        `(n, h, w)`; overwritten.
    noise
        `(h, w)`, energy that noise alone would have.
    """
    sharpness -= noise
    np.maximum(sharpness, 0, out=sharpness)
    scale = np.maximum(sharpness.max(axis=0), noise)
    sharpness /= scale
    sharpness **= 2
    sharpness **= 2
    sharpness += (noise / scale) ** 4
    sharpness /= sharpness.sum(axis=0)
    return sharpness
