from __future__ import annotations

import pytest
import torch
from torch import Tensor

from napari_swinfusion.errors import ConfigError
from napari_swinfusion.networks import build_network, grow_network
from napari_swinfusion.networks.blocks.second_look import SecondLook

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


@both_kinds
def test_fresh_weights_change_next_to_nothing(blocks: int) -> None:
    look, seen = look_and_shares(blocks)
    shares, focus = look(*seen)
    torch.testing.assert_close(shares, seen[2], atol=0.02, rtol=0)
    torch.testing.assert_close(focus, seen[3])


@both_kinds
def test_equal_planes_keep_their_value(blocks: int) -> None:
    look, (planes, _, shares, focus) = look_and_shares(blocks)
    disturb(look)
    planes = planes[:, :1].expand_as(planes)
    new, _ = look(planes, planes[:, :1], shares, focus)
    torch.testing.assert_close((new * planes).sum(1), planes[:, 0])


@both_kinds
def test_what_it_changes_stays_a_mean_of_the_planes(blocks: int) -> None:
    look, seen = look_and_shares(blocks)
    disturb(look)
    shares, focus = look(*seen)
    assert not torch.allclose(shares, seen[2], atol=0.01)
    assert torch.allclose(focus, seen[3], atol=0.01) == (blocks == 0)
    for new in (shares, focus):
        assert new.min() >= 0
        torch.testing.assert_close(new.sum(1), torch.ones(1, 16, 16))


@both_kinds
def test_bands_give_what_the_whole_gives(blocks: int) -> None:
    look, seen = look_and_shares(blocks, n=3, side=1024)  # sixteen bands on the CPU, two of them for the convolutions
    disturb(look)
    planes, mean, shares, focus = (part.double() for part in seen)
    look = look.double()
    whole = look(planes, mean, shares, focus)
    with torch.no_grad():
        in_bands = look(planes, mean, shares.clone(), focus.clone())
    for one, other in zip(in_bands, whole, strict=True):
        torch.testing.assert_close(one, other)


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
    optimizer = torch.optim.Adam(look.parameters(), lr=3e-3)
    generator = torch.Generator().manual_seed(1)

    def errors() -> tuple[Tensor, Tensor]:
        planes = 0.5 + 0.03 * torch.randn(4, 6, 32, 32, generator=generator)
        mean, shares = planes.mean(1, keepdim=True), torch.full_like(planes, 1 / 6)
        image = (look(planes, mean, shares, shares)[0] * planes).sum(1)
        return (image - 0.5).abs().mean(), (mean - 0.5).abs().mean()

    for _ in range(150):
        optimizer.zero_grad()
        errors()[0].backward()
        optimizer.step()
    learned, plain = errors()
    assert learned < 0.75 * plain


def test_it_learns_that_depth_jumps_at_edges() -> None:
    """Where the focus cannot tell two depths apart, the image's own edge can."""
    look, _ = look_and_shares(1, channels=8)
    optimizer = torch.optim.Adam(look.parameters(), lr=3e-3)
    generator = torch.Generator().manual_seed(1)

    def cross_entropies() -> tuple[Tensor, Tensor]:
        right = torch.zeros(4, 32, 32, dtype=torch.bool)
        right[..., int(torch.randint(8, 24, (1,), generator=generator)) :] = True
        planes = torch.stack([torch.where(right, 0.8, 0.2)] * 6, dim=1)
        planes = planes + 0.01 * torch.randn(planes.shape, generator=generator)
        # Planes 1 and 4 are as likely everywhere; left of the edge plane 1 is right, on its right plane 4.
        focus = torch.tensor([0.02, 0.46, 0.02, 0.02, 0.46, 0.02])[:, None, None].expand_as(planes)
        _, new = look(planes, planes.mean(1, keepdim=True), torch.full_like(planes, 1 / 6), focus)
        wanted = torch.where(right, 4, 1).unsqueeze(1)
        return tuple(-shares.gather(1, wanted).log().mean() for shares in (new, focus))  # type: ignore[return-value]

    for _ in range(150):
        optimizer.zero_grad()
        cross_entropies()[0].backward()
        optimizer.step()
    learned, plain = cross_entropies()
    assert learned < 0.75 * plain
