from __future__ import annotations

import pytest
import torch
from torch import Tensor

from napari_swinfusion.losses import mask_balance, mask_binarisation, mask_total_variation

MASK = torch.rand(3, 9, 11, generator=torch.Generator().manual_seed(0))


def two_planes(mask: Tensor) -> Tensor:
    return torch.stack([mask, 1 - mask], dim=1)


def test_the_documents_two_plane_forms() -> None:
    m, weights = MASK, two_planes(MASK)
    variation = (m[:, 1:] - m[:, :-1]).abs().mean((1, 2)) + (m[..., 1:] - m[..., :-1]).abs().mean((1, 2))
    assert mask_total_variation(weights) == pytest.approx(variation)
    assert mask_binarisation(weights) == pytest.approx((m * (1 - m)).mean((1, 2)))
    assert mask_balance(weights) == pytest.approx((2 * m.mean((1, 2)) - 1) ** 2, abs=1e-6)


def test_a_plane_that_is_never_used_changes_neither_variation_nor_decision() -> None:
    weights = two_planes(MASK)
    more = torch.cat([weights, torch.zeros_like(weights[:, :1])], dim=1)
    assert mask_total_variation(more) == pytest.approx(mask_total_variation(weights))
    assert mask_binarisation(more) == pytest.approx(mask_binarisation(weights))


def test_hand_worked_three_planes() -> None:
    # Left half wholly plane 0, right half wholly plane 2: one step of a whole share in each row of four.
    weights = torch.zeros(1, 3, 2, 4)
    weights[:, 0, :, :2] = weights[:, 2, :, 2:] = 1
    assert mask_total_variation(weights).item() == pytest.approx(1 / 3)
    assert mask_binarisation(weights).item() == 0
    assert mask_balance(weights).item() == pytest.approx((3 * 0.5 - 1) / 2)
    even = torch.full((1, 3, 2, 4), 1 / 3)
    assert mask_total_variation(even).item() == 0
    assert mask_binarisation(even).item() == pytest.approx(1 / 3)
    assert mask_balance(even).item() == pytest.approx(0, abs=1e-6)
    one = torch.zeros(1, 3, 2, 4)
    one[:, 1] = 1
    assert mask_balance(one).item() == pytest.approx(1)
