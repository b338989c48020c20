"""Losses that compare an image with its sources: by hand, in the document's two-plane form, in what they want."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import ndimage
from skimage.metrics import structural_similarity
from torch import Tensor
from torch.nn.functional import l1_loss

from napari_swinfusion.errors import InputError
from napari_swinfusion.losses import (
    charbonnier,
    intensity,
    laplacian_detail,
    log_detail,
    low_frequency_l1,
    sharpness_weights,
    sobel_detail,
    soft_target,
    ssim_loss,
    ssim_to_sources,
)
from napari_swinfusion.losses.filters import blur, edge_strength, laplacian, laplacian_of_gaussian, sobel


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def pair() -> tuple[Tensor, Tensor, Tensor]:
    """A fused image and two sources, `(2, 24, 24)` each."""
    return draw(2, 24, 24), draw(2, 24, 24, seed=1), draw(2, 24, 24, seed=2)


def per_sample(image: Tensor, target: Tensor) -> list[float]:
    return [l1_loss(a, b).item() for a, b in zip(image, target, strict=True)]


def test_charbonnier_of_hand_worked_errors() -> None:
    image = torch.tensor([[[0.3, 0.0], [0.0, 0.0]]])
    expected = (math.hypot(0.3, 0.4) + 3 * 0.4) / 4
    assert charbonnier(image, torch.zeros(1, 2, 2), epsilon=0.4).item() == pytest.approx(expected)


def test_sobel_detail_of_a_hand_worked_step() -> None:
    # A step of 1 answers 4 in the two columns beside it, half the image here; an even image answers nothing.
    step = torch.tensor([0.0, 0.0, 1.0, 1.0]).expand(1, 4, 4)
    sources = torch.stack([step, torch.zeros(1, 4, 4), 0.5 * step], dim=1)
    assert sobel_detail(step, sources).tolist() == [0]
    assert sobel_detail(torch.zeros(1, 4, 4), sources).tolist() == [2]
    assert sobel_detail(0.5 * step, sources).tolist() == [1]


def test_the_documents_two_plane_forms(pair: tuple[Tensor, Tensor, Tensor]) -> None:
    fused, a, b = pair
    both = torch.stack([a, b], dim=1)
    assert sobel_detail(fused, both).tolist() == pytest.approx(
        per_sample(edge_strength(fused), torch.max(edge_strength(a), edge_strength(b)))
    )
    assert intensity(fused, both, aggregate="max").tolist() == pytest.approx(per_sample(fused, torch.max(a, b)))
    assert intensity(fused, both, aggregate="mean").tolist() == pytest.approx(per_sample(fused, 0.5 * a + 0.5 * b))
    log_a, log_b = laplacian_of_gaussian(a), laplacian_of_gaussian(b)
    larger = torch.where(log_a.abs() >= log_b.abs(), log_a, log_b)
    assert log_detail(fused, both).tolist() == pytest.approx(per_sample(laplacian_of_gaussian(fused), larger))
    assert low_frequency_l1(fused, both, sigma=3).tolist() == pytest.approx(
        per_sample(blur(fused, 3), blur(0.5 * a + 0.5 * b, 3)), rel=1e-4
    )
    energy = [blur(sum(part.square() for part in sobel(plane)), 2.0) for plane in (a, b)]
    share = energy[0] / (energy[0] + energy[1])
    target = soft_target(both, measure="tenengrad", window=2.0, power=1.0, floor=0.0)
    assert target == pytest.approx(share * a + (1 - share) * b, abs=1e-5)
    assert laplacian_detail(fused, target).tolist() == pytest.approx(
        charbonnier(laplacian(fused), laplacian(target)).tolist()
    )


def test_planes_that_show_nothing_new_change_no_maximum(pair: tuple[Tensor, Tensor, Tensor]) -> None:
    fused, a, b = pair
    both = torch.stack([a, b], dim=1)
    again = torch.stack([b, a, b, torch.zeros_like(a)], dim=1)
    for loss in (sobel_detail, intensity, log_detail):
        assert loss(fused, again).tolist() == pytest.approx(loss(fused, both).tolist())


def spot(sigma: float) -> Tensor:
    image = np.zeros((33, 33))
    image[16, 16] = 20.0
    return torch.from_numpy(ndimage.gaussian_filter(image, sigma)).float()[None]


def test_log_detail_wants_the_sharp_spot_bright_or_dark() -> None:
    sharp, blurred = spot(1.5), spot(4.0)
    for sign in (1, -1):
        sources = 0.5 + sign * torch.stack([blurred, sharp, blurred], dim=1)
        # Far from the spot the blurred planes have the stronger response, so its own cost is not quite nothing.
        cost = [log_detail(0.5 + sign * image, sources).item() for image in (sharp, blurred)]
        assert cost[0] < 0.2 * cost[1]


def test_the_soft_target_takes_the_sharp_plane_on_detail_and_the_mean_elsewhere() -> None:
    truth = draw(1, 64, 64)
    truth[..., 32:] = 0.5
    noise = 3e-4 * torch.randn(1, 6, 64, 64, generator=torch.Generator().manual_seed(1))
    sources = torch.stack([blur(truth, sigma) for sigma in (4, 3, 2, 0.3, 1, 2)], dim=1) + noise
    for measure in ("tenengrad", "laplacian"):
        shares = sharpness_weights(sources, measure=measure)
        assert shares.sum(1) == pytest.approx(torch.ones(1, 64, 64), abs=1e-5)
        assert shares[0, 3, :, :20].min() > 0.9
        assert shares[0, :, :, -4:] == pytest.approx(torch.full((6, 64, 4), 1 / 6), abs=0.02)
    assert (soft_target(sources) - truth).abs().mean() < 0.5 * (sources.mean(1) - truth).abs().mean()


def test_ssim_is_scikit_images() -> None:
    image, target = draw(2, 30, 37), draw(2, 30, 37, seed=3)
    expected = [
        1 - structural_similarity(
            a, b, data_range=1.0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
        for a, b in zip(image.double().numpy(), target.double().numpy(), strict=True)
    ]  # fmt: skip
    assert ssim_loss(image, target).tolist() == pytest.approx(expected, abs=1e-5)
    assert ssim_loss(255 * image, 255 * target, data_range=255).tolist() == pytest.approx(expected, abs=1e-5)
    both = ssim_to_sources(image, torch.stack([target, image], dim=1))
    assert both.tolist() == pytest.approx([0.5 * part for part in expected], abs=1e-5)


def test_ssim_of_hand_worked_even_images() -> None:
    # Without any contrast the first factor is left: (2ab + c) / (a² + b² + c), c = 0.0001.
    black, white = torch.zeros(1, 11, 11), torch.ones(1, 11, 11)
    assert ssim_loss(black, white).item() == pytest.approx(1 - 1e-4 / (1 + 1e-4))
    with pytest.raises(InputError, match="11 × 11"):
        ssim_loss(black[:, :10], white[:, :10])
