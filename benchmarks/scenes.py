"""Simulated scenes of the benchmark: seeds and textures that no training has.

Half of the scenes are drawn from procedural textures with seeds that training never takes, half are cut from
microscope images that training never sees (drawn procedurally where these are absent).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.setting import read_image
from napari_swinfusion.simulation import PRESETS, SimulatedStack, simulate

SIDE = 256
FIRST_SEED = 9_000_001
PLANES = (2, 5, 9, 15, 30)
HELD_OUT = (
    "hela-cells-8bit_rgb.tif",
    "embryos_grey.tif",
    "maize_clsm.tif",
    "organoid_bf_1.tif",
    "fly_01_POS076_R.tif",
    "bbbc007_A9p7d.tif",
    "skimage_ihc.png",
    "skimage_cell.png",
)

Textures = list[NDArray[Any]]


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A scene that can be taken with more or less light; the same specimen every time."""

    preset: str
    n_planes: int
    seed: int
    from_images: bool

    def take(self, photons: float | None, textures: Textures, **options: Any) -> SimulatedStack:
        """Draw the stack; without `photons` it has no noise."""
        return simulate(
            preset=self.preset,
            n_planes=self.n_planes,
            height=SIDE,
            width=SIDE,
            photons=photons,
            seed=self.seed,
            textures=(textures or None) if self.from_images else None,
            **options,
        )


def held_out_textures(images: Path | None) -> Textures:
    """Return the sharp grey images that training leaves out."""
    if images is None:
        return []
    return [_grey(images / "micro_sharp" / name) for name in HELD_OUT]


def scenes(
    presets: tuple[str, ...] | None = None, planes: tuple[int, ...] = PLANES, rounds: int = 1
) -> Iterator[Scene]:
    """Yield one scene a preset, number of planes and round; a scene keeps its seed whatever else is asked for."""
    for number, preset in enumerate(PRESETS):
        for place, n_planes in enumerate(PLANES):
            for turn in range(rounds):
                if (presets is None or preset in presets) and n_planes in planes:
                    seed = FIRST_SEED + 10_000 * turn + 100 * number + place
                    yield Scene(
                        preset=preset, n_planes=n_planes, seed=seed, from_images=(number + place + turn) % 2 == 1
                    )


def _grey(path: Path) -> NDArray[np.float32]:
    image = np.squeeze(read_image(path)).astype(np.float32)
    if image.ndim == 3:
        image = image.mean(axis=0 if image.shape[0] <= 4 else -1)
    return image
