"""Edge transfer as a loss: the metric's numbers, and a gradient that leads to the edges."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from napari_swinfusion.losses import edge_transfer_loss
from napari_swinfusion.losses.filters import blur
from napari_swinfusion.metrics.transfer import qabf


def scene(n: int = 1) -> Tensor:
    return blur(torch.rand(n, 48, 64, generator=torch.Generator().manual_seed(3), dtype=torch.float64), 1.0)


@pytest.mark.parametrize("n", [1, 2, 4])
def test_it_is_the_metric_over_what_a_copy_has(n: int) -> None:
    sources = scene(n)
    image = 0.6 * sources[0] + 0.4 * blur(sources[-1], 2.0)
    expected = qabf(image.numpy(), sources.numpy()) / qabf(sources[0].numpy(), sources[:1].numpy())
    assert edge_transfer_loss(image[None], sources[None]).item() == pytest.approx(1 - expected, abs=2e-3)


def test_a_copy_keeps_all_and_another_light_too() -> None:
    image = scene()
    assert edge_transfer_loss(image, image[None]).item() == pytest.approx(0, abs=1e-9)
    assert edge_transfer_loss(image + 0.3, image[None]).item() == pytest.approx(0, abs=1e-9)
    assert edge_transfer_loss(image, torch.zeros(1, 1, 48, 64).double()).item() > 0.8


def test_what_a_faint_edge_loses_counts_by_its_own_height() -> None:
    truth = torch.zeros(1, 64, 64, dtype=torch.float64)
    truth[:, :, 16:32], truth[:, :, 40:56] = 1.0, 0.1

    def lost(strong: float, faint: float) -> float:
        image = truth.clone()
        image[:, :, 16:32] *= strong
        image[:, :, 40:56] *= faint
        return edge_transfer_loss(image, truth[None]).item()

    assert lost(1, 0.5) == pytest.approx(0.1 * lost(0.5, 1), rel=0.02)
    assert lost(1, 0.5) > 0.04


def test_samples_do_not_see_each_other() -> None:
    images = scene(2)
    both = edge_transfer_loss(torch.stack([images[0], blur(images[1], 2.0)]), images[:, None])
    assert both[0].item() == pytest.approx(0, abs=1e-9)
    assert both[1].item() > 0.1


@pytest.mark.parametrize("start", ["even", "blurred"])
def test_following_its_gradient_brings_the_edges_back(start: str) -> None:
    truth = scene()
    image = torch.full_like(truth, 0.5) if start == "even" else blur(truth, 1.5)
    image = (image + 1e-3 * torch.randn(truth.shape, generator=torch.Generator().manual_seed(0))).requires_grad_()
    before = edge_transfer_loss(image, truth[None]).item()
    optimiser = torch.optim.Adam([image], lr=3e-3)
    for _ in range(60):
        optimiser.zero_grad()
        loss = edge_transfer_loss(image, truth[None])
        loss.sum().backward()
        assert image.grad is not None
        assert image.grad.isfinite().all()
        optimiser.step()
    assert edge_transfer_loss(image, truth[None]).item() < 0.5 * before


def test_an_even_image_has_a_finite_gradient() -> None:
    image = torch.zeros(1, 16, 16, requires_grad=True)
    edge_transfer_loss(image, torch.rand(1, 2, 16, 16, generator=torch.Generator().manual_seed(1))).sum().backward()
    assert image.grad is not None
    assert image.grad.isfinite().all()
