"""Every module says what its function says, one value a sample, with the right gradient."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

import napari_swinfusion.losses as losses

B, N, SIDE = 2, 3, 12


def draw(*shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(sum(shape))
    return torch.rand(*shape, generator=generator, dtype=torch.float64)


IMAGE, SOURCES, TRUTH = draw(B, SIDE, SIDE), draw(B, N, SIDE, SIDE), draw(B, SIDE, SIDE) * 0.9
SHARES = draw(B, N, SIDE, SIDE).softmax(1)
TOLERANCE = torch.full((B,), 0.1, dtype=torch.float64)


@dataclass(frozen=True)
class Case:
    module: nn.Module
    arguments: tuple[Tensor, ...]
    expected: Callable[..., Tensor]


CASES = [
    Case(losses.Charbonnier(0.1), (IMAGE, TRUTH), lambda *a: losses.charbonnier(*a, epsilon=0.1)),
    Case(
        losses.CompositeError(5, 0.2),
        (IMAGE, SOURCES, TRUTH, TOLERANCE),
        lambda i, c, t, e: losses.composite_error(i, c, t, tolerance=e, neighbourhood=5, gradient_share=0.2),
    ),
    Case(losses.Disagreement(), (IMAGE, SHARES, SOURCES, TOLERANCE), losses.disagreement),
    Case(losses.EdgeTransferLoss(), (IMAGE, SOURCES), losses.edge_transfer_loss),
    Case(losses.FocusCrossEntropy(), (SHARES, draw(B, N, SIDE, SIDE).softmax(1)), losses.focus_cross_entropy),
    Case(losses.Intensity("mean"), (IMAGE, SOURCES), lambda *a: losses.intensity(*a, aggregate="mean")),
    Case(losses.LaplacianDetail(0.1), (IMAGE, TRUTH), lambda *a: losses.laplacian_detail(*a, epsilon=0.1)),
    Case(losses.LogDetail(0.8), (IMAGE, SOURCES), lambda *a: losses.log_detail(*a, sigma=0.8)),
    Case(losses.LogError(0.2, 0.01), (IMAGE, TRUTH), lambda *a: losses.log_error(*a, gradient_share=0.2, floor=0.01)),
    Case(losses.LowFrequencyL1(2.0), (IMAGE, SOURCES), lambda *a: losses.low_frequency_l1(*a, sigma=2.0)),
    Case(losses.MaskBalance(), (SHARES,), losses.mask_balance),
    Case(losses.MaskBinarisation(), (SHARES,), losses.mask_binarisation),
    Case(losses.MaskTotalVariation(), (SHARES,), losses.mask_total_variation),
    Case(losses.SobelDetail(), (IMAGE, SOURCES), losses.sobel_detail),
    Case(losses.SsimLoss(2.0), (IMAGE, TRUTH), lambda *a: losses.ssim_loss(*a, data_range=2.0)),
]


def test_no_module_is_missing_here() -> None:
    modules = {name for name in losses.__all__ if name[0].isupper()}
    assert {type(case.module).__name__ for case in CASES} == modules


@pytest.mark.parametrize("case", CASES, ids=lambda case: type(case.module).__name__)
def test_a_module_is_its_function_with_the_settings_kept(case: Case) -> None:
    found = case.module(*case.arguments)
    assert torch.equal(found, case.expected(*case.arguments))
    alone = torch.cat([case.module(*(argument[k : k + 1] for argument in case.arguments)) for k in range(B)])
    assert found.tolist() == pytest.approx(alone.tolist())


@pytest.mark.parametrize("case", CASES, ids=lambda case: type(case.module).__name__)
def test_the_gradient_is_the_slope(case: Case) -> None:
    judged = case.arguments[0].clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda first: case.module(first, *case.arguments[1:]), judged, fast_mode=True)
