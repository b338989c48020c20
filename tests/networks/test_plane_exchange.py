from __future__ import annotations

import torch

from napari_swinfusion.networks.blocks.plane_exchange import PlaneExchange


def test_a_plane_sees_all_planes_but_only_its_own_place() -> None:
    torch.manual_seed(0)
    exchange = PlaneExchange(dim=4).double()
    tokens = torch.randn(1, 6, 3, 3, 4, dtype=torch.float64)
    changed = tokens.clone()
    changed[0, 5, 1, 1] += 1
    moved = (exchange(changed) - exchange(tokens)).abs().amax((0, 4)) > 0
    assert moved[:, 1, 1].all()
    moved[:, 1, 1] = False
    assert not moved.any()


def test_neighbours_along_z_differ_from_distant_planes() -> None:
    torch.manual_seed(0)
    exchange = PlaneExchange(dim=4)
    exchange.taps.data.normal_()
    tokens = torch.randn(1, 5, 1, 1, 4)
    assert not torch.allclose(exchange(tokens)[:, [4, 3, 2, 1, 0]], exchange(tokens[:, [4, 3, 2, 1, 0]]))
