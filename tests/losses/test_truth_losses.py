"""Losses that only simulated samples can be asked for: depth and the error-optimal composite."""

from __future__ import annotations

import math

import pytest
import torch

from napari_swinfusion.losses import (
    composite_error,
    depth_cross_entropy,
    depth_distance,
    depth_visible,
    error_optimal_composite,
    gradient_l1,
    l1,
)

EVERYWHERE = torch.ones(1, 1, 1, dtype=torch.bool)


def focus(*shares: float) -> torch.Tensor:
    return torch.tensor(shares).view(1, -1, 1, 1)


def test_depth_losses_of_hand_worked_pixels() -> None:
    depth = torch.full((1, 1, 1), 1.25)
    shares = focus(0.1, 0.6, 0.3)
    entropy = -(0.75 * math.log(0.6) + 0.25 * math.log(0.3))
    assert depth_cross_entropy(shares, depth, counted=EVERYWHERE).item() == pytest.approx(entropy)
    distance = 0.1 * 1.25 + 0.6 * 0.25 + 0.3 * 0.75
    assert depth_distance(shares, depth, counted=EVERYWHERE).item() == pytest.approx(distance)


@pytest.mark.parametrize("loss", [depth_cross_entropy, depth_distance])
def test_pixels_without_surface_and_heights_beyond_the_stack_do_no_harm(loss) -> None:  # type: ignore[no-untyped-def]
    shares = focus(0.1, 0.6, 0.3).expand(1, 3, 1, 2).clone().requires_grad_()
    depth = torch.tensor([[[7.0, math.nan]]])
    counted = torch.tensor([[[True, False]]])
    assert loss(shares, depth, counted=torch.ones_like(counted)) == loss(shares, depth, counted=counted)
    found = loss(shares, depth, counted=counted)
    assert found.item() == pytest.approx(loss(shares, torch.full((1, 1, 2), 2.0), counted=counted).item())
    found.sum().backward()
    assert torch.isfinite(shares.grad).all()
    assert loss(shares, depth, counted=~counted).item() == 0


def test_depth_is_seen_on_texture_away_from_jumps() -> None:
    truth = torch.rand(1, 60, 80, generator=torch.Generator().manual_seed(0))
    truth[..., 60:] = 0.5
    depth = torch.linspace(0, 2, 60)[:, None].expand(60, 80).clone()[None]
    depth[..., 30:] += 3
    depth[:, :4] = math.nan
    seen = depth_visible(truth, depth)
    assert seen[0, 12:, 2:22].all()
    assert not seen[0, :, 24:36].any()
    assert seen[0, 12:, 38:52].all()
    assert not seen[0, :, 72:].any()
    assert not seen[0, :4].any()


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
