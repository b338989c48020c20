"""What the speed of SwinFusion is measured against computes the same network."""

from __future__ import annotations

import torch

from benchmarks.plain_swinfusion import fuse_plainly
from benchmarks.swinfusion_speed import measure, subject


def test_the_plain_computation_paints_the_same_image() -> None:
    network, planes = subject(40)
    with torch.no_grad():
        image = network(planes).image
        torch.testing.assert_close(fuse_plainly(network, planes), image, atol=1e-5, rtol=0)
    assert image.std() > 1e-3


def test_a_measurement_holds_all_that_is_reported() -> None:
    found = measure(side=24, rounds=1)
    assert found["largest difference"] < 1e-5
    assert {"plain", "ours", "times less CPU time", "part of the memory"} <= found.keys()
