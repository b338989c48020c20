from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from napari_swinfusion.simulation.scene import Painter


@pytest.mark.parametrize("thickness", [4.0, 9.0])
def test_a_strand_is_as_thick_as_told_and_many_times_as_long(thickness: float) -> None:
    painter = Painter(160, 160, torch.Generator().manual_seed(3))
    strands = [painter.strand(thickness).numpy() for _ in range(12)]
    assert all(strand.min() >= 0 and strand.max() <= 1 for strand in strands)
    depths = [ndimage.distance_transform_edt(strand > 0.5) for strand in strands]
    assert 2 * np.median([depth.max() for depth in depths]) == pytest.approx(thickness, rel=0.25)
    # An area of t times t would be a spot.
    assert np.median([(depth > 0).sum() for depth in depths]) > 4 * thickness**2
