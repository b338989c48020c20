from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

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


@pytest.mark.parametrize("thickness", [2.0, 8.0])
def test_a_strand_is_as_thick_as_told_and_long(thickness: float) -> None:
    painter = Painter(128, 128, torch.Generator().manual_seed(3))
    strands = [painter.strand(thickness) for _ in range(8)]
    inside = [ndimage.distance_transform_edt(strand.numpy() > 0.5) for strand in strands]
    assert all(strand.min() >= 0 and strand.max() <= 1 for strand in strands)
    assert np.median([2 * depth.max() for depth in inside]) == pytest.approx(thickness, abs=2)
    assert np.median([(depth > 0).sum() / thickness for depth in inside]) > 10
