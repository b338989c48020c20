"""Networks that fuse planes two at a time, as deciders: the whole tree runs inside each tile."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from napari_swinfusion import fuse
from napari_swinfusion.decide.network import NetworkDecider
from napari_swinfusion.networks import Fused, FusionNetwork, build_network

TINY: dict[str, Any] = {
    "dim": 8,
    "window_size": 4,
    "extract_depths": [1],
    "extract_heads": [2],
    "fuse_depths": [1],
    "fuse_heads": [2],
    "reconstruct_depths": [1],
    "reconstruct_heads": [2],
}


class Doubled(FusionNetwork):
    """A network in double precision, where what some processors round by the size of a tile is too small to see."""

    def __init__(self, inner: FusionNetwork) -> None:
        super().__init__()
        self.inner, self.info, self.config = inner.double(), inner.info, inner.config

    def forward(self, planes: torch.Tensor, prompt: torch.Tensor | None = None) -> Fused:
        fused = self.inner(planes.double(), prompt)
        return Fused(fused.image.float(), None if fused.weights is None else fused.weights.float())


@pytest.mark.parametrize("output", ["weights", "image"])
@pytest.mark.parametrize("n", [2, 5])
def test_B16_a_tree_in_tiles_equals_the_untiled_one(output: str, n: int) -> None:
    torch.manual_seed(0)
    network = build_network("swinfusion", {**TINY, "output": output})
    for parameter in network.parameters():
        # Large enough that a halo of one level would show in a tree of three.
        parameter.data.mul_(3)
    stack = np.random.default_rng(0).integers(0, 65535, (n, 45, 61), dtype=np.uint16)
    options: dict[str, Any] = {"keep_weights": True, "match_illumination": False}
    untiled = fuse(stack, model=NetworkDecider(Doubled(network), device="cpu"), **options)
    tiled = fuse(stack, model=NetworkDecider(Doubled(network), device="cpu", tile=16), **options)
    assert np.abs(tiled.image.astype(int) - untiled.image.astype(int)).max() <= 1
    np.testing.assert_array_equal(tiled.decision, untiled.decision)
    np.testing.assert_allclose(tiled.weights, untiled.weights, atol=1e-6)
    assert untiled.provenance["model"]["value_preserving"] == (output == "weights")
    if output == "weights":
        assert (untiled.image <= stack.max(0)).all()
        assert (untiled.image >= stack.min(0)).all()


def test_the_halo_grows_with_the_depth_of_the_tree() -> None:
    info = build_network("swinfusion", TINY).info
    assert info.reach is not None
    assert [info.reach_for(n) for n in (2, 3, 4, 5, 20)] == [info.reach * levels for levels in (1, 2, 2, 3, 5)]


def test_memory_counts_a_pair_at_work_however_many_planes_there_are() -> None:
    pairwise, hybrid = build_network("swinfusion-base").info, build_network("hybrid").info
    assert pairwise.values_for(20) < 1.2 * pairwise.values_for(2)
    assert hybrid.values_for(20) == pytest.approx(10 * hybrid.values_for(2))
