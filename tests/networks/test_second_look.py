from __future__ import annotations

import torch

from napari_swinfusion.networks.blocks.second_look import SecondLook


def look_and_shares(n: int = 4, side: int = 16, channels: int = 4) -> tuple[SecondLook, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    look = SecondLook(channels)
    return look, torch.rand(1, n, side, side), torch.rand(1, n, side, side).softmax(1)


def disturb(look: SecondLook) -> None:
    torch.nn.init.normal_(look.convolutions[-1].weight, std=0.5)


def test_fresh_weights_change_nothing() -> None:
    look, planes, shares = look_and_shares()
    torch.testing.assert_close(look(planes, planes.mean(1, keepdim=True), shares), shares)


def test_equal_planes_keep_their_value() -> None:
    look, planes, shares = look_and_shares()
    disturb(look)
    planes = planes[:, :1].expand_as(planes)
    torch.testing.assert_close(look(planes, planes[:, :1], shares), shares)


def test_what_it_changes_stays_a_mean_of_the_planes() -> None:
    look, planes, shares = look_and_shares()
    disturb(look)
    new = look(planes, planes.mean(1, keepdim=True), shares)
    assert not torch.allclose(new, shares, atol=0.01)
    assert new.min() >= 0
    torch.testing.assert_close(new.sum(1), torch.ones(1, 16, 16))


def test_bands_give_what_the_whole_gives() -> None:
    look, planes, shares = look_and_shares(n=3, side=1024)  # sixteen bands on the CPU
    disturb(look)
    mean = planes.mean(1, keepdim=True)
    whole = look(planes, mean, shares)
    with torch.no_grad():
        torch.testing.assert_close(look(planes, mean, shares.clone()), whole)


def test_it_learns_to_choose_by_noise() -> None:
    """Of a flat field it can learn what no plane alone tells: which values are nearer to their surroundings."""
    look, _, _ = look_and_shares(channels=8)
    optimizer = torch.optim.Adam(look.parameters(), lr=3e-3)
    generator = torch.Generator().manual_seed(1)

    def errors() -> tuple[torch.Tensor, torch.Tensor]:
        planes = 0.5 + 0.03 * torch.randn(4, 6, 32, 32, generator=generator)
        mean, shares = planes.mean(1, keepdim=True), torch.full_like(planes, 1 / 6)
        image = (look(planes, mean, shares) * planes).sum(1)
        return (image - 0.5).abs().mean(), (mean - 0.5).abs().mean()

    for _ in range(150):
        optimizer.zero_grad()
        errors()[0].backward()
        optimizer.step()
    learned, plain = errors()
    assert learned < 0.75 * plain
