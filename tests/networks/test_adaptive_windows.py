"""Windows of several sizes: each size alone is a plain window, and the information decides between them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from napari_swinfusion.errors import ConfigError
from napari_swinfusion.networks.blocks.adaptive_windows import AdaptiveSwinBlock, AdaptiveSwinStage, adaptive_layers
from napari_swinfusion.networks.blocks.reach import reach_through
from napari_swinfusion.networks.blocks.swin import SwinBlock

SIZES = (2, 4, 8)


def tokens_of(side: int = 24, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(1, side, side, 8, generator=torch.Generator().manual_seed(0), dtype=dtype)


def block_of(shift: int = 0) -> AdaptiveSwinBlock:
    torch.manual_seed(0)
    return AdaptiveSwinBlock(8, 2, SIZES, shift, 2.0).double()


def choose(block: AdaptiveSwinBlock, size: int) -> None:
    block.choice.bias.data.fill_(-100)
    block.choice.bias.data[SIZES.index(size)] = 100


@pytest.mark.parametrize("shift", [0, 5])
def test_the_largest_alone_is_a_swin_block(shift: int) -> None:
    block = block_of(shift)
    choose(block, 8)
    torch.manual_seed(0)
    plain = SwinBlock(8, 2, 8, shift, 2.0).double()
    plain.load_state_dict({name: value for name, value in block.state_dict().items() if "choice" not in name})
    torch.testing.assert_close(block(tokens_of()), plain(tokens_of()))


@pytest.mark.parametrize("size", SIZES)
def test_one_size_alone_sees_its_window_alone(size: int) -> None:
    block = block_of()
    choose(block, size)
    changed = tokens_of()
    changed[:, 9, 9] += 1
    moved = (block(changed) - block(tokens_of())).abs().amax((0, 3)) > 1e-9
    start = 9 // size * size
    expected = torch.zeros_like(moved)
    expected[start : start + size, start : start + size] = True
    assert torch.equal(moved, expected)


def test_detail_moves_the_choice() -> None:
    block = block_of()
    block.choice.weight.data = torch.tensor([[1.0, 0, 0], [0, 0, 0], [-1.0, 0, 0]], dtype=torch.float64)
    tokens = tokens_of()
    tokens[:, :, :8] *= 0.01
    shares = block.shares(tokens)
    torch.testing.assert_close(shares.sum(-1), torch.ones_like(shares[..., 0]))
    assert shares[0, :, :8].mean((0, 1)).argmax() == 2, "large windows where nothing happens"
    assert (shares[0, :, 8:, 0] > shares[0, :, :8, 0].amax()).all(), "small ones where there is detail"


def test_all_sizes_are_cut_elsewhere_in_every_second_block() -> None:
    _, second = AdaptiveSwinStage(8, 2, 2, SIZES, 1.0)
    assert all(second.shift % size for size in SIZES)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_the_reach_is_that_of_its_layers(depth: int) -> None:
    torch.manual_seed(0)
    stage = AdaptiveSwinStage(8, depth, 2, SIZES, 1.0).double()
    for parameter in stage.parameters():
        parameter.data.mul_(2).add_(0.2 * torch.randn_like(parameter))
    reach = reach_through(adaptive_layers(SIZES, depth))
    assert reach is not None
    tokens = tokens_of(side=72)
    farthest = 0
    for place in range(32, 40):
        changed = tokens.clone()
        changed[:, place, place] += 1
        moved = ((stage(changed) - stage(tokens)).abs().amax((0, 3)) > 0).nonzero()
        farthest = max(farthest, int((moved - place).abs().max()))
    assert reach - 4 <= farthest <= reach


def test_it_overwrites_its_tokens_during_inference_alone() -> None:
    stage, tokens = AdaptiveSwinStage(8, 2, 2, SIZES, 1.0), tokens_of(dtype=torch.float32)
    answer = stage(tokens)
    assert torch.equal(tokens, tokens_of(dtype=torch.float32))
    with torch.no_grad():
        stage(tokens)
    torch.testing.assert_close(tokens, answer)


def test_sizes_that_do_not_nest_are_refused() -> None:
    with pytest.raises(ConfigError, match="window of 6 tokens cannot be split into windows of 4"):
        AdaptiveSwinBlock(8, 2, (4, 6), 0, 1.0)
