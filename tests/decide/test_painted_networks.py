"""Networks that paint, and networks that see the whole image at once, as deciders."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from napari_swinfusion import fuse
from napari_swinfusion.decide.base import TileDecision
from napari_swinfusion.decide.network import NetworkDecider
from napari_swinfusion.errors import InputError, ModelError
from napari_swinfusion.networks import Fused, FusionNetwork, NetworkInfo, build_network
from napari_swinfusion.networks.base import NetworkConfig
from napari_swinfusion.tiling import Box

TINY = {"dim": 4, "depths": [1, 1], "num_heads": [1, 2], "refinement_depth": 0}


class Planes:
    """Grey planes straight from an array."""

    def __init__(self, array: NDArray[np.float32]) -> None:
        self._array = array
        self.n_planes, self.height, self.width = array.shape

    def grey(self, box: Box, plane: int | None = None) -> NDArray[np.float32]:
        part = self._array[(..., *box.slices)]
        return part if plane is None else part[plane : plane + 1]


class Painter(FusionNetwork):
    """Paints the plane that lies deepest in the row, brightened; it reaches as far as it says."""

    def __init__(self, reach: int | None = 3, upscale: int = 1) -> None:
        super().__init__()
        self.config = NetworkConfig()
        self.info = NetworkInfo(output="image", reach=reach, size_multiple=8, upscale=upscale)

    def forward(self, planes: torch.Tensor, prompt: torch.Tensor | None = None) -> Fused:
        n, width = planes.shape[1], planes.shape[-1]
        # Left half from the first plane, right half from the last, wherever the tile begins: a mark in the planes.
        right = torch.nn.functional.max_pool2d(planes[:, -1], 7, 1, 3) > 0.5
        image = torch.where(right, planes[:, -1], planes[:, 0]) + 0.2
        assert n >= 2
        assert width % 8 == 0
        return Fused(image, None)


def whole(tiles: list[TileDecision], shape: tuple[int, ...]) -> tuple[NDArray[Any], NDArray[Any]]:
    weights, image = np.full(shape, np.nan, np.float32), np.full(shape[1:], np.nan, np.float32)
    for tile in tiles:
        assert tile.image is not None
        weights[(..., *tile.box.slices)], image[tile.box.slices] = tile.weights, tile.image
    return weights, image


@pytest.fixture
def array() -> NDArray[np.float32]:
    rng = np.random.default_rng(0)
    array = 0.1 * rng.random((2, 90, 110), dtype=np.float32)
    array[1, :, 50:] += 0.6
    return array


def test_the_decision_is_the_plane_that_the_painted_image_resembles(array: NDArray[np.float32]) -> None:
    decider = NetworkDecider(Painter(), device="cpu")
    weights, image = whole(list(decider.decide(Planes(array))), array.shape)
    np.testing.assert_allclose(weights.sum(0), 1, atol=1e-5)
    # A painted level says nothing about focus; away from the seam the map is exact.
    assert (weights.argmax(0)[:, :40] == 0).all()
    assert (weights.argmax(0)[:, 60:] == 1).all()
    np.testing.assert_allclose(image[:, 60:], array[1, :, 60:] + 0.2, atol=1e-6)
    assert not decider.info.value_preserving


def test_painted_tiles_equal_the_painted_whole_where_the_reach_is_finite(array: NDArray[np.float32]) -> None:
    untiled = whole(list(NetworkDecider(Painter(), device="cpu").decide(Planes(array))), array.shape)
    for tile in (8, 32, 64):
        decider = NetworkDecider(Painter(), device="cpu", tile=tile)
        tiled = whole(list(decider.decide(Planes(array))), array.shape)
        assert all(np.array_equal(one, other) for one, other in zip(tiled, untiled, strict=True))
        assert not decider.info.notices


def test_a_network_that_sees_everything_gets_the_whole_image_where_it_fits(array: NDArray[np.float32]) -> None:
    network = build_network("restormer", TINY)
    decider = NetworkDecider(network, device="cpu")
    (tile,) = decider.decide(Planes(array))
    assert tile.box == Box(0, 90, 0, 110)
    assert not decider.info.notices


def test_tiles_of_a_network_that_sees_everything_are_told(array: NDArray[np.float32]) -> None:
    torch.manual_seed(0)
    network = build_network("restormer", TINY)
    fused = fuse(array, model=NetworkDecider(network, device="cpu", tile=32))
    assert fused.image.shape == (90, 110)
    told = "looks at the whole image at once, but it was fused in tiles"
    assert any(told in notice for notice in fused.notices)
    assert any(told in notice for notice in fused.provenance["notices"])
    assert fused.provenance["model"]["value_preserving"] is False
    # Near the untiled result all the same.
    untiled = fuse(array, model=NetworkDecider(network, device="cpu"))
    assert not any(told in notice for notice in untiled.notices)
    assert np.abs(fused.image - untiled.image).mean() < 0.02 * array.std()


def test_another_number_of_planes_than_it_takes_is_refused(array: NDArray[np.float32]) -> None:
    decider = NetworkDecider(build_network("restormer", {**TINY, "n_sources": 3}), device="cpu")
    with pytest.raises(InputError, match="takes 3 planes, not 2"):
        next(decider.decide(Planes(array)))


def test_a_network_that_enlarges_cannot_decide() -> None:
    with pytest.raises(ModelError, match="2 times larger"):
        NetworkDecider(Painter(upscale=2), device="cpu")
