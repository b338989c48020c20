"""Scenes with known planes for prepare: light backgrounds, dark backgrounds, defocus, camera noise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

Floats = NDArray[np.float64]
Draw = Callable[..., Floats]


def _layers(kind: str, n: int, size: int, rng: np.random.Generator) -> Floats:
    count, smallest, largest = {"sparse": (8, 8, 25), "dense": (140, 8, 25), "small": (14, 2, 8)}[kind]
    y, x = np.mgrid[:size, :size]
    layers = np.zeros((n, size, size))
    for _ in range(count):
        radius = rng.uniform(smallest, largest)
        distance = np.hypot(y - rng.uniform(0, size), x - rng.uniform(0, size))
        pattern = 1 + 0.5 * np.sin(x / 3 + radius) * np.sin(y / 4)
        layers[rng.integers(n)] += np.clip(radius - distance + 0.5, 0, 1) * pattern * rng.uniform(0.5, 1)
    return layers


def draw_planes(kind: str, *, n: int = 9, size: int = 256, seed: int = 0) -> Floats:
    """Return noise-free planes `(n, size, size)`, light about 1, every object defocusing with its distance.

    "bright-sparse", "bright-dense": absorbing objects before a lit background; "dark-small": glowing specks;
    "texture": a slope that is textured everywhere.
    """
    rng = np.random.default_rng(seed)
    if kind == "texture":
        noise = sum(gaussian_filter(rng.standard_normal((size, size)), s) * s for s in (1, 2, 4, 8))
        blurred = [gaussian_filter(0.2 + 0.1 * noise / noise.std() + 0.3, 0.5 + 1.2 * away) for away in range(n)]
        depth = np.arange(size) * n // size
        rows = [[blurred[abs(int(depth[x]) - z)][:, x] for x in range(size)] for z in range(n)]
        return np.array(rows).transpose(0, 2, 1)
    background, objects = kind.split("-")
    layers = _layers(objects, n, size, rng)
    spread = [
        sum(gaussian_filter(layers[k], 0.6 + 1.5 * abs(k - z), mode="nearest") for k in range(n)) for z in range(n)
    ]
    return np.exp(-0.12 * np.array(spread)) if background == "bright" else np.array(spread) + 0.02


def expose(planes: Floats, *, lamp: Any = 1.0, photons: float = 500, white: float = 20000, seed: int = 0) -> Any:
    """Return uint16 camera planes: lamp, photon and read noise, an offset of 100 levels."""
    rng = np.random.default_rng(seed)
    light = planes * np.broadcast_to(lamp, len(planes))[:, None, None]
    electrons = rng.poisson(light.clip(0) * photons) + rng.normal(0, 2, light.shape)
    return np.clip(np.rint(100 + electrons * white / photons), 0, 65535).astype(np.uint16)


@pytest.fixture(scope="session")
def planes_of() -> Draw:
    return draw_planes


@pytest.fixture(scope="session")
def camera() -> Callable[..., Any]:
    return expose
