"""Edge transfer as a loss: the metric's numbers, and a gradient that leads to the edges."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from napari_swinfusion.losses import edge_transfer
from napari_swinfusion.losses.filters import blur
from napari_swinfusion.metrics.transfer import qabf


def scene(n: int = 1) -> Tensor:
    return blur(torch.rand(n, 48, 64, generator=torch.Generator().manual_seed(3), dtype=torch.float64), 1.0)


@pytest.mark.parametrize("n", [1, 2, 4])
def test_it_is_the_metric_over_what_a_copy_has(n: int) -> None:
    sources = scene(n)
    image = 0.6 * sources[0] + 0.4 * blur(sources[-1], 2.0)
    expected = qabf(image.numpy(), sources.numpy()) / qabf(sources[0].numpy(), sources[:1].numpy())
    assert edge_transfer(image[None], sources[None]).item() == pytest.approx(expected, abs=2e-3)


def test_a_copy_keeps_all_and_another_light_too() -> None:
    image = scene()
    assert edge_transfer(image, image[None]).item() == pytest.approx(1.0)
    assert edge_transfer(image + 0.3, image[None]).item() == pytest.approx(1.0)
    assert edge_transfer(image, torch.zeros(1, 1, 48, 64).double()).item() < 0.2


def test_samples_do_not_see_each_other() -> None:
    images = scene(2)
    both = edge_transfer(torch.stack([images[0], blur(images[1], 2.0)]), images[:, None])
    assert both[0].item() == pytest.approx(1.0)
    assert both[1].item() < 0.9


@pytest.mark.parametrize("start", ["even", "blurred"])
def test_following_its_gradient_brings_the_edges_back(start: str) -> None:
    truth = scene()
    image = torch.full_like(truth, 0.5) if start == "even" else blur(truth, 1.5)
    image = (image + 1e-3 * torch.randn(truth.shape, generator=torch.Generator().manual_seed(0))).requires_grad_()
    before = edge_transfer(image, truth[None]).item()
    optimiser = torch.optim.Adam([image], lr=3e-3)
    for _ in range(60):
        optimiser.zero_grad()
        loss = 1 - edge_transfer(image, truth[None])
        loss.sum().backward()
        assert image.grad is not None
        assert image.grad.isfinite().all()
        optimiser.step()
    assert edge_transfer(image, truth[None]).item() > before + 0.5 * (1 - before)


def test_an_even_image_has_a_finite_gradient() -> None:
    image = torch.zeros(1, 16, 16, requires_grad=True)
    edge_transfer(image, torch.rand(1, 2, 16, 16, generator=torch.Generator().manual_seed(1))).sum().backward()
    assert image.grad is not None
    assert image.grad.isfinite().all()
