"""A simulated focal stack with the answer known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_swinfusion.errors import ConfigError
from napari_swinfusion.focal_stack import FocalStack, SpatialMetadata
from napari_swinfusion.simulation.camera import Camera
from napari_swinfusion.simulation.presets import PRESETS, sample_optics
from napari_swinfusion.simulation.render import depth_of, render
from napari_swinfusion.simulation.scene import Painter

MARGIN = 24


@dataclass(frozen=True, kw_only=True)
class SimulatedStack:
    """A focal stack and its truth.

    Attributes
    ----------
    stack
        What a microscope would save; grey levels, uint8 or uint16.
    truth
        float32 `(y, x)`: the noise-free all-in-focus image under a steady lamp, in grey levels of `stack`.
    clean
        float32 `(z, y, x)`: the planes without noise and lamp drift, in grey levels.
    depth
        float32 `(y, x)`: height of what is seen, in planes.
    white
        Grey levels between darkness and white: the data range for PSNR.
    lamp
        Relative brightness of the lamp in each plane.
    """

    stack: FocalStack
    truth: NDArray[np.float32]
    clean: NDArray[np.float32]
    depth: NDArray[np.float32]
    white: float
    lamp: tuple[float, ...]


def simulate(
    *,
    preset: str = "organoid-brightfield",
    n_planes: int = 11,
    height: int = 256,
    width: int = 256,
    photons: float = 2000.0,
    seed: int = 0,
    bits: int = 16,
    lamp_drift: float = 0.05,
    textures: Sequence[NDArray[Any]] | None = None,
) -> SimulatedStack:
    """Draw a focal stack with known truth; the same arguments give the same stack.

    Parameters
    ----------
    preset
        A specimen of `PRESETS`.
    photons
        Electrons at white: 20,000 is a clean camera image, 500 a noisy one.
    bits
        8 or 16.
    lamp_drift
        Greatest relative deviation of the lamp between planes.
    textures
        Sharp grey images, any scale, to cut textures from; None draws procedural ones.

    Raises
    ------
    ConfigError
        If the preset is unknown or a number makes no stack.
    """
    if preset not in PRESETS:
        near = get_close_matches(preset, PRESETS, n=1)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        raise ConfigError(f"There is no preset '{preset}'; known are {', '.join(PRESETS)}.{hint}")
    if n_planes < 2 or min(height, width) < 8 or bits not in (8, 16) or photons <= 0:
        raise ConfigError("A simulated stack needs at least 2 planes, 8 × 8 px, 8 or 16 bits and some photons.")
    generator = torch.Generator().manual_seed(seed)
    painter = Painter(
        height + 2 * MARGIN, width + 2 * MARGIN, generator, [_unit_range(image) for image in textures or ()]
    )
    scene = PRESETS[preset].compose(painter, n_planes)
    optics = sample_optics(painter, PRESETS[preset], n_planes)
    camera = Camera(photons=photons, bits=bits, lamp_drift=lamp_drift)
    inner = (..., slice(MARGIN, -MARGIN), slice(MARGIN, -MARGIN))
    clean = render(scene, torch.arange(float(n_planes)), optics)[inner]
    truth = render(scene, None, optics)[inner][0]
    lamp = camera.lamp(n_planes, generator)
    grey = camera.digitise(camera.expose(clean, lamp, generator)).numpy().astype(f"uint{bits}")

    def levels(light: torch.Tensor) -> NDArray[np.float32]:
        scaled: NDArray[np.float32] = ((light + camera.offset) * camera.white).numpy().astype(np.float32)
        return scaled

    stack = FocalStack.from_array(grey, "ZYX", name=f"simulated {preset}")
    return SimulatedStack(
        stack=replace(stack, metadata=SpatialMetadata(pixel_size=(0.65, 0.65), z_step=5.0, unit="µm")),
        truth=levels(truth),
        clean=levels(clean),
        depth=depth_of(scene)[inner].numpy().astype(np.float32),
        white=camera.white,
        lamp=tuple(float(value) for value in lamp),
    )


def _unit_range(image: NDArray[Any]) -> torch.Tensor:
    grey = torch.from_numpy(np.ascontiguousarray(image, dtype=np.float32))
    low, high = torch.quantile(grey.flatten()[:: max(grey.numel() // 100_000, 1)], torch.tensor([0.001, 0.999]))
    unit: torch.Tensor = ((grey - low) / (high - low).clamp(min=1e-6)).clamp(0, 1)
    return unit
