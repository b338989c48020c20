from __future__ import annotations

import math

import pytest
import torch

from napari_swinfusion.losses import disagreement, focus_cross_entropy, focus_target, gradient_l1, l1, log_error


def test_l1_and_gradient_of_hand_worked_images() -> None:
    truth = torch.zeros(1, 2, 2)
    image = torch.tensor([[[1.0, 0.0], [0.0, 0.0]]])
    assert l1(image, truth).tolist() == [0.25]
    # Down and right of the bright pixel one step of 1 each; two differences along either axis.
    assert gradient_l1(image, truth).tolist() == [1.0]
    assert log_error(image, truth, gradient_share=0.5, floor=0.01).item() == pytest.approx(math.log(0.76))


def test_a_tenth_less_error_counts_alike_on_clean_and_noisy_samples() -> None:
    truth = torch.zeros(2, 8, 8)
    error = torch.stack([torch.full((8, 8), 0.2), torch.full((8, 8), 0.02)]).requires_grad_()
    log_error(error, truth, floor=0.0).sum().backward()
    assert error.grad is not None
    gain = (error.grad * error).sum((1, 2))
    assert gain[0].item() == pytest.approx(gain[1].item(), rel=1e-4)


def test_the_target_is_the_plane_nearest_the_truth_and_undecided_where_none_is() -> None:
    truth = torch.zeros(1, 16, 32)
    clean = torch.zeros(1, 3, 16, 32)
    clean[:, 0, :, :16] = clean[:, 2, :, :16] = 0.1
    target = focus_target(clean, truth, tolerance=torch.tensor([0.01]))
    assert target.sum(1) == pytest.approx(torch.ones(1, 16, 32))
    assert (target[0, 1, :, :12] > 0.99).all()
    assert target[0, :, :, 24:] == pytest.approx(torch.full((3, 16, 8), 1 / 3))


def test_cross_entropy_is_least_at_the_target() -> None:
    target = torch.tensor([0.7, 0.2, 0.1]).view(1, 3, 1, 1).expand(1, 3, 4, 4)
    entropy = -sum(p * math.log(p) for p in (0.7, 0.2, 0.1))
    assert focus_cross_entropy(target, target).item() == pytest.approx(entropy, rel=1e-5)
    assert focus_cross_entropy(target.flip(1), target).item() > entropy + 0.5


def test_planes_that_differ_by_noise_agree_and_those_of_other_things_do_not() -> None:
    generator = torch.Generator().manual_seed(0)
    noise = torch.tensor([0.1])
    planes = 0.5 + noise * torch.randn(1, 4, 32, 32, generator=generator)
    even = torch.full_like(planes, 0.25)
    assert disagreement(planes.mean(1), even, planes, noise).item() < 0.002
    planes[:, :2, :16] += 1.0
    ghost = disagreement(planes.mean(1), even, planes, noise).item()
    # Half of the pixels, where the values lie half apart from their mean, less two deviations of the noise.
    assert ghost == pytest.approx(0.5 * (0.5 - 0.2), abs=0.03)
    chosen = torch.tensor([1.0, 1.0, 0, 0])[None, :, None, None].expand_as(planes) / 2
    assert disagreement((chosen * planes).sum(1), chosen, planes, noise).item() < 0.002
