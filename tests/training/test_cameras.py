from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from napari_swinfusion.simulation import Camera
from napari_swinfusion.tiling import Box
from napari_swinfusion.training.data.cameras import camera_like, traits_of

SIDE = 256


@dataclass(frozen=True)
class Grey:
    """Planes in grey, as a decider sees them."""

    planes: NDArray[np.float32]

    @property
    def n_planes(self) -> int:
        return len(self.planes)

    @property
    def height(self) -> int:
        return self.planes.shape[1]

    @property
    def width(self) -> int:
        return self.planes.shape[2]

    def grey(self, box: Box, plane: int | None = None) -> NDArray[np.float32]:
        return (self.planes if plane is None else self.planes[plane : plane + 1])[(..., *box.slices)]


def ramp() -> torch.Tensor:
    """Return smooth light from darkness to white, the same in five planes."""
    return torch.linspace(0, 1, SIDE).expand(5, SIDE, SIDE)


def taken(camera: Camera, light: torch.Tensor) -> Grey:
    return Grey(camera.expose(light, torch.Generator().manual_seed(1)).numpy())


@pytest.mark.parametrize("photons", [40.0, 2000.0])
@pytest.mark.parametrize("read_noise", [0.0, 6.0])
def test_a_camera_is_known_again_by_its_noise(photons: float, read_noise: float) -> None:
    camera = Camera(photons=photons, read_noise=read_noise)
    light = ramp()
    again = camera_like(traits_of(taken(camera, light)), light)
    for level in (0.25, 0.5, 0.9):
        assert again.noise(level) == pytest.approx(camera.noise(level), rel=0.2)


def test_hot_pixels_are_counted_and_specks_are_not() -> None:
    camera = Camera(photons=200.0, hot_pixels=3e-3)
    assert traits_of(taken(camera, ramp())).hot_pixels == pytest.approx(3e-3, rel=0.4)
    light = ramp().clone()
    light[2, 5::9, 5::9] += 0.7  # sharp in one plane alone
    assert traits_of(taken(Camera(photons=200.0), light)).hot_pixels < 1e-4


def test_darker_light_takes_the_same_noise_relative_to_its_range() -> None:
    traits = traits_of(taken(Camera(photons=500.0, read_noise=0.0), ramp()))
    camera = camera_like(traits, 0.2 * ramp())
    assert camera.noise(0.1) == pytest.approx(0.2 * Camera(photons=500.0, read_noise=0.0).noise(0.5), rel=0.2)


def test_no_noise_makes_a_quiet_camera() -> None:
    traits = traits_of(Grey(ramp().numpy()))
    assert camera_like(traits, ramp()).noise(0.5) < 1e-3
    assert traits.hot_pixels == 0
