from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from napari_swinfusion.errors import ConfigError
from napari_swinfusion.networks import build_network, grow_network
from napari_swinfusion.networks.blocks.second_look import SecondLook, noise_in

both_kinds = pytest.mark.parametrize("blocks", [0, 2], ids=["near", "far"])


def look_and_shares(
    blocks: int, n: int = 4, side: int = 16, channels: int = 4
) -> tuple[SecondLook, tuple[Tensor, Tensor, Tensor, Tensor]]:
    torch.manual_seed(0)
    look = SecondLook(channels, blocks)
    planes = torch.rand(1, n, side, side)
    shares, focus = torch.rand(2, 1, n, side, side).mul(3).softmax(2)
    return look, (planes, planes.mean(1, keepdim=True), shares, focus)


def disturb(look: SecondLook) -> None:
    for parameter in look.parameters():
        torch.nn.init.normal_(parameter, std=0.2)


def after_learning(look: SecondLook, errors: Callable[[], tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Return both errors, after the look has learned to make the first one small."""
    optimizer = torch.optim.Adam(look.parameters(), lr=3e-3)
    for _ in range(150):
        optimizer.zero_grad()
        errors()[0].backward()
        optimizer.step()
    return errors()


@both_kinds
def test_fresh_weights_change_next_to_nothing(blocks: int) -> None:
    look, seen = look_and_shares(blocks)
    torch.testing.assert_close(look(*seen), seen[2], atol=0.02, rtol=0)


@both_kinds
def test_equal_planes_keep_their_value(blocks: int) -> None:
    look, (planes, _, shares, focus) = look_and_shares(blocks)
    disturb(look)
    planes = planes[:, :1].expand_as(planes)
    new = look(planes, planes[:, :1], shares, focus)
    torch.testing.assert_close((new * planes).sum(1), planes[:, 0])


@both_kinds
def test_what_it_changes_stays_a_mean_of_the_planes(blocks: int) -> None:
    look, seen = look_and_shares(blocks)
    disturb(look)
    shares = look(*seen)
    assert not torch.allclose(shares, seen[2], atol=0.01)
    assert shares.min() >= 0
    torch.testing.assert_close(shares.sum(1), torch.ones(1, 16, 16))


@both_kinds
def test_bands_give_what_the_whole_gives(blocks: int) -> None:
    look, seen = look_and_shares(blocks, n=3, side=1024)  # sixteen bands on the CPU, two of them for the convolutions
    disturb(look)
    planes, mean, shares, focus = (part.double() for part in seen)
    look = look.double()
    whole = look(planes, mean, shares, focus)
    with torch.no_grad():
        torch.testing.assert_close(look(planes, mean, shares.clone(), focus), whole)


def test_a_network_learns_to_look_farther_without_a_loss() -> None:
    """A network that is given blocks later decides as before until these learn."""
    torch.manual_seed(0)
    near = build_network("hybrid", {"second_look": 8}).eval()
    far = grow_network(near, {"second_look_blocks": 2}).eval()
    planes = torch.rand(1, 5, 64, 64)
    with torch.inference_mode():
        before, after = near(planes), far(planes)
    torch.testing.assert_close(after.image, before.image, atol=0.01, rtol=0)
    torch.testing.assert_close(after.focus, before.focus)
    assert near.info.reach is not None
    assert far.info.reach is not None
    assert far.info.reach > near.info.reach


def test_blocks_need_channels() -> None:
    with pytest.raises(ConfigError, match="second_look"):
        build_network("hybrid", {"second_look_blocks": 2})


@both_kinds
def test_it_learns_to_choose_by_noise(blocks: int) -> None:
    """Of a flat field it can learn what no plane alone tells: which values are nearer to their surroundings."""
    look, _ = look_and_shares(blocks, channels=8)
    generator = torch.Generator().manual_seed(1)

    def errors() -> tuple[Tensor, Tensor]:
        planes = 0.5 + 0.03 * torch.randn(4, 6, 32, 32, generator=generator)
        mean, shares = planes.mean(1, keepdim=True), torch.full_like(planes, 1 / 6)
        image = (look(planes, mean, shares, shares) * planes).sum(1)
        return (image - 0.5).abs().mean(), (mean - 0.5).abs().mean()

    learned, plain = after_learning(look, errors)
    assert learned < 0.75 * plain


def test_it_learns_to_settle_where_there_is_no_noise() -> None:
    """Shares that hesitate between a sharp plane and a wrong one, although the focus knows, are traded for its own."""
    look, _ = look_and_shares(1, channels=8)
    generator = torch.Generator().manual_seed(1)

    def errors() -> tuple[Tensor, Tensor]:
        truth = torch.rand(4, 32, 32, generator=generator)
        planes = torch.stack([truth, truth.mean((-2, -1), keepdim=True).expand_as(truth)], dim=1)
        shares, focus = (torch.tensor([first, 1 - first])[:, None, None].expand_as(planes) for first in (0.6, 0.95))
        images = ((new * planes).sum(1) for new in (look(planes, planes.mean(1, keepdim=True), shares, focus), shares))
        return tuple((image - truth).abs().mean() for image in images)  # type: ignore[return-value]

    learned, plain = after_learning(look, errors)
    assert learned < 0.5 * plain


@pytest.mark.parametrize(("n", "sharp"), [(2, 1), (5, 2), (20, 10)])
def test_noise_is_told_apart_from_what_planes_show(n: int, sharp: int) -> None:
    """Detail in up to half of the planes is no noise; each part of the image has its own."""
    generator = torch.Generator().manual_seed(2)
    planes = torch.full((1, n, 64, 128), 0.5)
    planes[:, :sharp] = torch.rand(64, 128, generator=generator)
    sigma = torch.tensor([0.01, 0.03]).repeat_interleave(64)
    noise = noise_in(planes + sigma * torch.randn(planes.shape, generator=generator))
    for half in (slice(64), slice(64, None)):
        assert 0.8 < (noise[..., half] / sigma[half]).mean() < 1.5


@pytest.mark.parametrize("n", [2, 5, 20])
def test_what_noise_is_left_in_the_first_image_is_told(n: int) -> None:
    look, (_, _, shares, focus) = look_and_shares(1, n=n, side=64)
    planes = 0.5 + 0.02 * torch.randn(shares.shape, generator=torch.Generator().manual_seed(3))
    seen = look._first(planes, planes.mean(1, keepdim=True), shares, focus)[0]
    assert 0.75 < seen[-1].mean() / (seen[0] - 0.5).std() < 1.25
