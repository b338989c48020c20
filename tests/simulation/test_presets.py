from __future__ import annotations

import pytest
import torch

from napari_swinfusion.simulation.presets import PRESETS, sample_microscope
from napari_swinfusion.simulation.scene import Painter


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("pixel_size", [0.1, 0.65, 3.0])
def test_a_microscope_of_a_given_pixel_size_resolves_what_its_pixels_can_show(preset: str, pixel_size: float) -> None:
    painter = Painter(32, 32, torch.Generator().manual_seed(0))
    for _ in range(20):
        microscope = sample_microscope(painter, PRESETS[preset], 5, pixel_size=pixel_size)
        assert microscope.pixel_size == pytest.approx(pixel_size)
        assert 3.45 <= microscope.camera_pixel <= 13
        assert 0.1 < microscope.sampling < 1.2


@pytest.mark.parametrize("pixel_size", [0.005, 200.0])
def test_a_pixel_size_that_no_camera_gives_is_kept_with_the_nearest_objective(pixel_size: float) -> None:
    painter = Painter(32, 32, torch.Generator().manual_seed(0))
    microscope = sample_microscope(painter, PRESETS["cytology"], 5, pixel_size=pixel_size)
    assert microscope.pixel_size == pytest.approx(pixel_size)
    assert microscope.magnification == (63.0 if pixel_size < 1 else 1.0)
