"""A simulated focal stack with the answer known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_swinfusion.errors import ConfigError
from napari_swinfusion.focal_stack import FocalStack, SpatialMetadata
from napari_swinfusion.simulation.acquisition import Acquisition, shifted
from napari_swinfusion.simulation.camera import Camera
from napari_swinfusion.simulation.microscope import Microscope
from napari_swinfusion.simulation.moving import with_strands
from napari_swinfusion.simulation.presets import PRESETS, compose, sample_microscope
from napari_swinfusion.simulation.render import View, depth_of, render, render_sharp
from napari_swinfusion.simulation.scene import Painter

MARGIN = 32


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
        float32 `(z, y, x)`: the planes without noise, lamp drift and shifts, in grey levels.
    depth
        float32 `(y, x)`: height of what is seen, in planes.
    white
        Grey levels between darkness and white: the data range for PSNR.
    lamp
        Relative brightness of the lamp in each plane, bleaching included.
    shifts
        float32 `(z, 2)`: how far each plane was moved along y and x, px.
    strands, strand_drift
        How many fibres were drawn before the specimen, and how far they move from plane to plane, px.
    microscope, camera, acquisition
        What took it.
    """

    stack: FocalStack
    truth: NDArray[np.float32]
    clean: NDArray[np.float32]
    depth: NDArray[np.float32]
    white: float
    lamp: tuple[float, ...]
    shifts: NDArray[np.float32]
    strands: int
    strand_drift: float
    microscope: Microscope
    camera: Camera
    acquisition: Acquisition

    @property
    def height(self) -> NDArray[np.float32]:
        """Height `(y, x)` of what is seen above the first plane, µm, float32."""
        return np.asarray(self.depth * self.microscope.z_step, np.float32)

    @property
    def nearest(self) -> NDArray[np.int16]:
        """Index `(y, x)` of the plane nearest to what is seen, int16."""
        return np.rint(self.depth).clip(0, len(self.clean) - 1).astype(np.int16)

    @property
    def unfocused(self) -> NDArray[np.bool_]:
        """Whether what is seen at `(y, x)` lies more than a quarter of a wave from the focus of every plane."""
        distance = np.abs(self.depth - self.nearest) * self.microscope.z_step
        return np.asarray(distance > self.microscope.depth_of_field / 2)


def simulate(
    *,
    preset: str = "organoid-brightfield",
    n_planes: int = 11,
    height: int = 256,
    width: int = 256,
    photons: float | None = 2000.0,
    seed: int = 0,
    bits: int = 16,
    lamp_drift: float = 0.05,
    strands: int = 0,
    strand_drift: float = 2.0,
    textures: Sequence[NDArray[Any]] | None = None,
    microscope: Microscope | None = None,
    camera: Camera | None = None,
    acquisition: Acquisition | None = None,
) -> SimulatedStack:
    """Draw a focal stack with known truth; the same arguments give the same stack.

    Parameters
    ----------
    preset
        A specimen of `PRESETS`.
    photons
        On a pixel at white: 20,000 is a clean camera image, 500 a noisy one, None has no noise at all.
    bits
        8 or 16.
    lamp_drift
        Greatest relative deviation of the lamp between planes.
    strands, strand_drift
        Fibres and bristles before the specimen, and how far they move from plane to plane, px; without noise, all else
        stays as it is without them.
    textures
        Sharp grey images, any scale, to cut textures from; None draws procedural ones.
    microscope
        None draws one that the specimen is usually seen with.
    camera, acquisition
        In place of `photons` and `bits`, and of `lamp_drift`.

    Raises
    ------
    ConfigError
        If the preset is unknown or a number makes no stack.
    """
    _check_specimen(preset, strands, strand_drift)
    if n_planes < 2 or min(height, width) < 8:
        raise ConfigError("A simulated stack needs at least 2 planes of 8 × 8 px.")
    camera = camera or Camera(photons=photons, bits=bits)
    acquisition = acquisition or Acquisition(lamp_drift=lamp_drift)
    generator = torch.Generator().manual_seed(seed)
    sharp = [_unit_range(image) for image in textures or ()]
    painter = Painter(height + 2 * MARGIN, width + 2 * MARGIN, generator, sharp)
    scene = compose(painter, PRESETS[preset], n_planes)
    drawn = sample_microscope(painter, PRESETS[preset], n_planes)
    microscope = microscope or drawn
    view = View(microscope, painter.height, painter.width, max_blur=MARGIN)
    inner = (..., slice(MARGIN, -MARGIN), slice(MARGIN, -MARGIN))
    shade = acquisition.shade(height, width)
    lamp = acquisition.lamp(n_planes, generator)
    shifts = acquisition.shifts(n_planes, generator)
    scene = with_strands(painter, scene, n_planes, [strand_drift] * strands)
    light = render(scene, n_planes, view)
    moved = shifted(light, shifts)[inner] * shade * lamp[:, None, None]
    grey = camera.digitise(camera.expose(moved, generator)).numpy().astype(f"uint{camera.bits}")

    def levels(light: torch.Tensor) -> NDArray[np.float32]:
        scaled: NDArray[np.float32] = ((light[inner] * shade + camera.offset) * camera.white).numpy()
        return scaled.astype(np.float32)

    size = microscope.pixel_size
    return SimulatedStack(
        stack=replace(
            FocalStack.from_array(grey, "ZYX", name=f"simulated {preset}"),
            metadata=SpatialMetadata(pixel_size=(size, size), z_step=microscope.z_step, unit="µm"),
        ),
        truth=levels(render_sharp(scene, view)),
        clean=levels(light),
        depth=depth_of(scene)[inner].numpy().astype(np.float32),
        white=camera.white,
        lamp=tuple(float(value) for value in lamp),
        shifts=shifts.numpy(),
        strands=strands,
        strand_drift=strand_drift,
        microscope=microscope,
        camera=camera,
        acquisition=acquisition,
    )


def _check_specimen(preset: str, strands: int, strand_drift: float) -> None:
    if preset not in PRESETS:
        near = get_close_matches(preset, PRESETS, n=1)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        raise ConfigError(f"There is no preset '{preset}'; known are {', '.join(PRESETS)}.{hint}")
    if strands < 0 or not 0 <= strand_drift < math.inf:
        raise ConfigError(f"Strands are 0 or more and drift by 0 px or more, not {strands} by {strand_drift} px.")


def _unit_range(image: NDArray[Any]) -> torch.Tensor:
    grey = torch.from_numpy(np.ascontiguousarray(image, dtype=np.float32))
    low, high = torch.quantile(grey.flatten()[:: max(grey.numel() // 100_000, 1)], torch.tensor([0.001, 0.999]))
    unit: torch.Tensor = ((grey - low) / (high - low).clamp(min=1e-6)).clamp(0, 1)
    return unit
