"""SwinFusion as the documents describe it: sizes, upsamplers, residuals, branches, trees; and what cannot work."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from napari_swinfusion.errors import ConfigError, InputError
from napari_swinfusion.networks import FusionNetwork, SwinFusion, build_network
from napari_swinfusion.networks.blocks.mergers import MERGERS
from napari_swinfusion.networks.blocks.mixers import MIXERS

TINY: dict[str, Any] = {
    "dim": 8,
    "window_size": 4,
    "extract_depths": [2],
    "extract_heads": [2],
    "fuse_depths": [2],
    "fuse_heads": [2],
    "reconstruct_depths": [1],
    "reconstruct_heads": [2],
}


def tiny(**settings: Any) -> SwinFusion:
    torch.manual_seed(0)
    network = build_network("swinfusion", {**TINY, **settings}).eval()
    assert isinstance(network, SwinFusion)
    return network


def parameters(network: FusionNetwork) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_the_base_has_the_published_parameters_but_those_that_never_ran() -> None:
    # The stem of source B: 1 → 30 channels, and 30 → 30, each 3 × 3 with a bias.
    never_run = (30 * 9 + 30) + (30 * 30 * 9 + 30)
    assert parameters(build_network("swinfusion-base")) == 973_681 - never_run


def test_the_small_presets_are_small() -> None:
    assert parameters(build_network("swinfusion-ultralite")) < parameters(build_network("swinfusion-lite")) < 20_000


def test_three_heads_on_eight_channels_are_refused_with_the_nearest_that_fit() -> None:
    """What document 000 asks for in its light network."""
    with pytest.raises(ConfigError, match="3 heads cannot share 8 channels evenly; the nearest number is 2"):
        build_network("swinfusion-lite", {"extract_heads": [3]})


@pytest.mark.parametrize("upsampler", ["", "pixelshuffle", "pixelshuffledirect", "nearest+conv"])
@pytest.mark.parametrize("upscale", [1, 2, 3, 4, 8])
def test_the_image_is_as_much_larger_as_asked_for(upsampler: str, upscale: int) -> None:
    network = tiny(upsampler=upsampler, upscale=upscale)
    planes = torch.rand(1, 2, 8, 12)
    whole = network(planes).image
    assert whole.shape == (1, 8 * upscale, 12 * upscale)
    with torch.no_grad():
        torch.testing.assert_close(network(planes).image, whole, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"upscale": 5}, "it can be 1, 2, 3, 4, 8"),
        ({"upsampler": "bicubic"}, "no upsampler 'bicubic'"),
        ({"residual": "2conv"}, "no residual '2conv'"),
        ({"norm": "batch_norm"}, "no normalisation 'batch_norm'"),
        ({"shared": "all"}, "it can be nothing, stem, branches"),
        ({"output": "mask"}, "it can be image, weights"),
        ({"dim": 10, "extract_heads": [1]}, "cannot be quartered"),
        ({"fuse_depths": [1, 2]}, "give each group one of both"),
        ({"absolute_position": True}, "needs image_size"),
        ({"image_size": [31, 32], "patch_size": 2}, "no multiple of the patches"),
        ({"output": "weights", "upscale": 2}, "needs upscale 1"),
    ],
)
def test_what_cannot_work_is_refused_with_a_reason(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        tiny(**settings)


def test_one_plane_is_refused_and_more_than_two_where_the_image_is_enlarged() -> None:
    with pytest.raises(InputError, match="two or more planes, not 1"):
        tiny()(torch.rand(1, 1, 8, 8))
    with pytest.raises(InputError, match=r"two .* planes, not 3"):
        tiny(upscale=2)(torch.rand(1, 3, 8, 8))


@pytest.mark.parametrize("channels", [3, 5])
def test_colours_and_any_number_of_channels_are_painted(channels: int) -> None:
    network = tiny(channels=channels)
    image, weights = network.fuse_channels(torch.rand(2, 3, channels, 8, 12))
    assert image.shape == (2, channels, 8, 12)
    assert weights is None
    assert network(torch.rand(2, 3, 8, 12)).image.shape == (2, 8, 12)


def test_shares_hold_for_all_channels() -> None:
    network = tiny(channels=3, output="weights")
    sources = torch.rand(1, 5, 3, 8, 12)
    image, weights = network.fuse_channels(sources)
    assert weights is not None
    torch.testing.assert_close(image, (weights.unsqueeze(2) * sources).sum(1))


def test_a_stack_is_fused_in_a_tree_of_neighbours() -> None:
    network = tiny()
    a, b, c = torch.rand(1, 3, 8, 8).unbind(1)
    both = network(torch.stack([a, b], 1)).image
    torch.testing.assert_close(network(torch.stack([a, b, c], 1)).image, network(torch.stack([both, c], 1)).image)


def test_the_declared_reach_grows_with_the_depth_of_the_tree() -> None:
    """A changed pixel of five planes is felt as far as declared for a tree of three levels, and no farther."""
    network = tiny(window_size=2, extract_depths=[1], fuse_depths=[1]).double()
    for parameter in network.parameters():
        parameter.data.mul_(1.5).add_(0.1 * torch.randn_like(parameter))
    reach = network.info.reach_for(5)
    assert network.info.reach is not None
    assert reach == 3 * network.info.reach
    side = 2 * (reach + 3)
    planes = torch.rand(1, 5, side, side, dtype=torch.float64)
    farthest = 0
    with torch.no_grad():
        before = network(planes).image
        for y in (side // 2, side // 2 + 1):
            changed = planes.clone()
            changed[0, 0, y, y] += 1
            moved = (network(changed).image - before).abs()[0] > 0
            farthest = max(farthest, *(int((axis - y).abs().max()) for axis in moved.nonzero(as_tuple=True)))
    assert reach - 6 <= farthest <= reach


def test_both_sources_pass_the_same_weights_where_branches_are_shared() -> None:
    planes = torch.rand(1, 1, 8, 8).repeat(1, 2, 1, 1)
    shared, own = tiny(shared="branches"), tiny(shared="nothing")
    tokens = [[net._extract(planes[:, i : i + 1], i, lambda: None) for i in range(2)] for net in (shared, own)]
    assert torch.equal(*tokens[0])
    assert not torch.equal(*tokens[1])


def test_the_mean_and_the_range_are_taken_off_and_put_back() -> None:
    """With a network whose last layer answers zero, the image is the mean that was taken off."""
    network = tiny(channels=3, value_range=255.0)
    last = network.paint[-1]
    assert isinstance(last, torch.nn.Conv2d)
    assert last.bias is not None
    last.weight.data.zero_()
    last.bias.data.fill_(2.55)
    before = network.mean.clone()
    image, _ = network.fuse_channels(torch.rand(1, 2, 3, 8, 8))
    torch.testing.assert_close(image, (before + 0.01).expand(1, 3, 8, 8))
    assert torch.equal(network.mean, before)


def test_checkpointing_changes_memory_and_nothing_else() -> None:
    planes = torch.rand(1, 2, 8, 8)
    answers = []
    for checkpointing in (False, True):
        network = tiny(checkpointing=checkpointing, drop_path=0.3).train()
        torch.manual_seed(1)
        image = network(planes).image
        image.sum().backward()
        answers.append((image, next(network.parameters()).grad))
    torch.testing.assert_close(answers[0], answers[1])


def test_stochastic_depth_rises_over_a_part() -> None:
    network = tiny(fuse_depths=[2, 1], fuse_heads=[2, 2], drop_path=0.2)
    assert [block.drop_path for group in network.fuse for block in group.own[0]] == pytest.approx([0, 0.1, 0.2])  # type: ignore


def test_a_network_built_for_one_window_does_not_shift() -> None:
    small = tiny(image_size=[4, 8])
    assert not any(getattr(module, "shift", 0) for module in small.modules())
    assert tiny(image_size=[2, 8]).info.size_multiple == 2
    assert any(getattr(module, "shift", 0) for module in tiny(image_size=[8, 8]).modules())


def test_a_table_of_positions_repeats_over_a_larger_image() -> None:
    network = tiny(image_size=[8, 8], absolute_position=True)
    assert network.info.size_multiple == 8
    assert network.position is not None
    entered = network._enter(torch.zeros(1, 16, 8, 8))
    assert torch.equal(entered[0], torch.cat([network.position, network.position]))


@pytest.mark.parametrize("settings", [*({"merger": name} for name in MERGERS), *({"mixer": name} for name in MIXERS)])
def test_any_merger_and_mixer_can_be_chosen(settings: dict[str, str]) -> None:
    network = tiny(**settings)
    side = 2 * network.info.size_multiple
    planes = torch.rand(1, 2, side, side)
    whole = network(planes).image
    with torch.no_grad():
        torch.testing.assert_close(network(planes).image, whole, atol=1e-5, rtol=0)


@pytest.mark.parametrize("upsampler", ["", "pixelshuffle", "pixelshuffledirect", "nearest+conv"])
def test_enlarging_keeps_the_declared_reach(upsampler: str) -> None:
    settings = {"window_size": 2, "extract_depths": [1], "fuse_depths": [1]}
    network = tiny(upsampler=upsampler, upscale=2, **settings).double()
    reach = network.info.reach
    assert reach is not None
    side = 2 * (reach + 3)
    planes = torch.rand(1, 2, side, side, dtype=torch.float64)
    farthest = 0
    with torch.no_grad():
        before = network(planes).image
        for y in (side // 2, side // 2 + 1):
            changed = planes.clone()
            changed[0, 0, y, y] += 1
            moved = (network(changed).image - before).abs()[0] > 0
            farthest = max(farthest, *(int((axis // 2 - y).abs().max()) for axis in moved.nonzero(as_tuple=True)))
    assert reach - 1 <= farthest <= reach
