"""Losses that only simulated samples can be asked for: the truest plane and the error-optimal composite."""

from __future__ import annotations

import pytest
import torch

from napari_swinfusion.losses import (
    composite_error,
    error_optimal_composite,
    focus_target,
    gradient_l1,
    l1,
)


def test_the_nearest_plane_is_chosen_where_none_is_truer() -> None:
    truth = torch.zeros(1, 8, 16)
    clean = torch.zeros(1, 3, 8, 16)
    clean[:, 1:, :, 8:] = 0.1
    distance = torch.tensor([2.0, 1.0, 0.25]).view(1, 3, 1, 1).expand(1, 3, 8, 16)
    target = focus_target(clean, truth, tolerance=torch.tensor([0.01]), distance=distance)
    assert target[0, :, 4, 2].log().diff().tolist() == pytest.approx([2.0, 1.5], abs=1e-4)
    assert target[0, :, 4, 13].argmax() == 0
    without = focus_target(clean, truth, tolerance=torch.tensor([0.01]))
    assert without[0, :, 4, 2].tolist() == pytest.approx([1 / 3] * 3)


def test_the_composite_is_the_nearest_plane_or_the_mean_where_none_is() -> None:
    truth = torch.zeros(1, 16, 32)
    clean = torch.full((1, 3, 16, 32), 0.002)
    clean[:, 1] = -0.002
    clean[:, 0, :, :16] = clean[:, 2, :, :16] = 0.2
    target = error_optimal_composite(clean, truth, tolerance=torch.tensor([0.01]))
    assert target[0, :, :12] == pytest.approx(torch.full((16, 12), -0.002), abs=1e-4)
    assert target[0, :, 24:] == pytest.approx(torch.full((16, 8), 0.002 / 3), abs=1e-4)
    image = torch.rand(1, 16, 32, generator=torch.Generator().manual_seed(0))
    found = composite_error(image, clean, truth, tolerance=torch.tensor([0.01]), gradient_share=0.25)
    assert found.item() == pytest.approx((l1(image, target) + 0.25 * gradient_l1(image, target)).item())
