"""The classical deciders: right plane, quiet noise, and the same answer for every tile size."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from napari_swinfusion.decide.base import Decider, TileDecision
from napari_swinfusion.decide.guards import noise_floor
from napari_swinfusion.decide.measures import MEASURES, MeasureDecider, focus_shares, wiener
from napari_swinfusion.decide.pyramid import LaplacianPyramidDecider, analyse, synthesise
from napari_swinfusion.decide.registry import make_decider
from napari_swinfusion.errors import CancelledError
from napari_swinfusion.progress import CancelToken, Progress
from napari_swinfusion.tiling import Box

CLASSICAL = [*MEASURES, "tenengrad-argmax", "laplacian-pyramid", "mean"]
SELECTORS = [name for name in CLASSICAL if name != "mean"]


class Planes:
    """Grey planes held in an array; remembers how many pixels were read at once."""

    def __init__(self, volume: NDArray[Any]) -> None:
        self.volume = volume.astype(np.float32)
        self.n_planes, self.height, self.width = volume.shape
        self.largest_read = 0

    def grey(self, box: Box, plane: int | None = None) -> NDArray[np.float32]:
        volume = self.volume if plane is None else self.volume[plane : plane + 1]
        part = volume[(slice(None), *box.slices)]
        self.largest_read = max(self.largest_read, part.size)
        return part


def answer(decider: Decider, volume: NDArray[Any]) -> dict[str, NDArray[np.float32]]:
    """Join the tiles of an answer; every pixel must be answered exactly once."""
    count = np.zeros(volume.shape[1:], dtype=int)
    whole: dict[str, NDArray[np.float32]] = {}

    def put(name: str, tile: TileDecision, part: NDArray[np.float32] | None) -> None:
        if part is not None:
            joined = whole.setdefault(name, np.full((*part.shape[:-2], *volume.shape[1:]), np.nan, dtype=np.float32))
            joined[(..., *tile.box.slices)] = part

    for tile in decider.decide(Planes(volume)):
        count[tile.box.slices] += 1
        put("weights", tile, tile.weights)
        put("focus", tile, tile.weights if tile.focus is None else tile.focus)
        put("image", tile, tile.image)
    assert (count == 1).all()
    return whole


def texture(height: int, width: int, seed: int = 0) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    return 0.5 + 0.6 * ndimage.gaussian_filter(rng.normal(size=(height, width)), 1.0, mode="reflect")


def split_scene(height: int = 96, width: int = 128) -> NDArray[np.float64]:
    """Left half sharp in plane 0, right half in plane 1."""
    sharp = texture(height, width)
    blurred = ndimage.gaussian_filter(sharp, 3.0)
    left = np.arange(width) < width // 2
    return np.stack([np.where(left, sharp, blurred), np.where(left, blurred, sharp)])


@pytest.mark.parametrize("name", SELECTORS)
def test_two_planes_each_half_from_its_sharp_plane(name: str) -> None:
    decision = answer(make_decider(name), split_scene())["focus"].argmax(axis=0)
    assert (decision[:, :56] == 0).mean() > 0.98
    assert (decision[:, 72:] == 1).mean() > 0.98


@pytest.mark.parametrize("name", CLASSICAL)
def test_shares_are_a_distribution(name: str, rng: np.random.Generator) -> None:
    whole = answer(make_decider(name), rng.random((5, 40, 50)))
    for shares in (whole["weights"], whole["focus"]):
        assert shares.dtype == np.float32
        assert (shares >= 0).all()
        assert np.abs(shares.sum(axis=0) - 1).max() < 1e-5


@pytest.mark.parametrize("name", CLASSICAL)
@pytest.mark.parametrize("shape", [(3, 61, 127), (2, 1, 40), (2, 7, 7), (4, 97, 33), (5, 300, 211)])
def test_B16_tiled_equals_untiled(name: str, shape: tuple[int, int, int], rng: np.random.Generator) -> None:
    volume = rng.random(shape)
    whole = answer(make_decider(name, tile=1024), volume)
    for tile in (32, 50):
        tiled = answer(make_decider(name, tile=tile), volume)
        assert all(np.array_equal(whole[key], tiled[key]) for key in whole)


@pytest.mark.parametrize(
    "decider",
    [MeasureDecider(name, guard=guard) for name in MEASURES for guard in (True, False)] + [LaplacianPyramidDecider()],
    ids=lambda decider: decider.info.name,
)
def test_no_pixel_acts_beyond_the_declared_reach(decider: Any, rng: np.random.Generator) -> None:
    size = 2 * decider.reach + 40
    before = rng.random((3, size, size))
    after = before.copy()
    after[1, :20, :20] += rng.random((20, 20))
    # The noise is measured on the whole stack before it is tiled: hold it fixed to see the window alone.
    first, second = (answer_with_floor(decider, volume, noise_floor(Planes(before))) for volume in (before, after))
    far = (..., slice(20 + decider.reach, None), slice(20 + decider.reach, None))
    assert all(np.array_equal(first[key][far], second[key][far]) for key in first)
    assert any(not np.array_equal(first[key], second[key]) for key in first)


def answer_with_floor(decider: Decider, volume: NDArray[Any], floor: Any) -> dict[str, NDArray[np.float32]]:
    module = type(decider).__module__
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(f"{module}.noise_floor", lambda planes: floor)
        return answer(decider, volume)


@pytest.mark.parametrize("name", list(MEASURES))
def test_noise_alone_is_averaged_and_unsure(name: str, rng: np.random.Generator) -> None:
    volume = 0.5 + 0.02 * rng.normal(size=(9, 128, 128))
    whole = answer(make_decider(name), volume)
    fused = (whole["weights"] * volume).sum(axis=0)
    assert fused.std() < 0.02 * 0.45  # the mean of nine planes has a third of the noise
    assert np.sum(whole["focus"] ** 2, axis=0).mean() < 0.35


def test_textbook_rule_carries_all_the_noise(rng: np.random.Generator) -> None:
    volume = 0.5 + 0.02 * rng.normal(size=(9, 128, 128))
    weights = answer(make_decider("tenengrad-argmax"), volume)["weights"]
    assert set(np.unique(weights)) == {0.0, 1.0}
    assert (weights * volume).sum(axis=0).std() > 0.019


@pytest.mark.parametrize("name", list(MEASURES))
def test_guard_beats_textbook_and_mean_in_noise(name: str, rng: np.random.Generator) -> None:
    truth = np.where(np.arange(128) < 64, texture(128, 128), 0.5)
    clean = np.stack([ndimage.gaussian_filter(truth, 1.5 * abs(k - 3)) for k in range(7)])
    volume = clean + 0.04 * rng.normal(size=clean.shape)

    def error(model: str) -> float:
        return float(np.mean(((answer(make_decider(model), volume)["weights"] * volume).sum(axis=0) - truth) ** 2))

    assert error(name) < 0.7 * min(error(f"{name}-argmax"), error("mean"))


@pytest.mark.parametrize("name", CLASSICAL)
def test_A14_constant_planes_stay_constant(name: str) -> None:
    whole = answer(make_decider(name), np.full((4, 45, 52), 0.25))
    fused = whole.get("image", (whole["weights"] * 0.25).sum(axis=0))
    assert np.allclose(fused, 0.25, atol=1e-6)
    assert np.allclose(whole["focus"].sum(axis=0), 1, atol=1e-5)


@pytest.mark.parametrize("name", CLASSICAL)
def test_planes_are_read_one_at_a_time(name: str, rng: np.random.Generator) -> None:
    planes = Planes(rng.random((12, 96, 96)))
    for _ in make_decider(name).decide(planes):
        pass
    assert planes.largest_read <= 96 * 96


@pytest.mark.parametrize("name", CLASSICAL)
def test_B11_cancel_and_progress(name: str, rng: np.random.Generator) -> None:
    cancel = CancelToken()
    reports: list[Progress] = []

    def report(progress: Progress) -> None:
        reports.append(progress)
        if progress.done == 2:
            cancel.cancel()

    with pytest.raises(CancelledError):
        list(make_decider(name, tile=32).decide(Planes(rng.random((2, 96, 96))), progress=report, cancel=cancel))
    assert [(report.done, report.total) for report in reports] == [(1, 9), (2, 9)]


@pytest.mark.parametrize("name", list(MEASURES))
def test_noise_gain_is_the_energy_of_white_noise(name: str, rng: np.random.Generator) -> None:
    energy = MEASURES[name].energy(rng.normal(size=(600, 600)).astype(np.float32))
    assert energy.mean() == pytest.approx(MEASURES[name].noise_gain, rel=0.02)


def test_wiener_share_by_hand() -> None:
    difference = np.array([0.0, 1.0, 1.5, 3.0, 150.0], dtype=np.float32)
    assert wiener(difference, np.float32(1.0) * np.ones(5, dtype=np.float32)) == pytest.approx([0, 0, 0, 0.5, 0.99])


def test_focus_shares_by_hand() -> None:
    # Above the noise of 1: 4, 2 and 0, so 1, 1/16 and 0 of the best, and 1/256 of doubt each.
    shares = focus_shares(np.array([5.0, 3.0, 0.5], dtype=np.float32).reshape(3, 1, 1), np.ones((1, 1), np.float32))
    expected = np.array([1, 1 / 16, 0]) + 1 / 256
    assert shares.ravel() == pytest.approx(expected / expected.sum(), rel=1e-5)


@pytest.mark.parametrize("levels", [1, 3, 5])
def test_pyramid_is_undone_exactly(levels: int, rng: np.random.Generator) -> None:
    image = rng.random((96, 64)).astype(np.float32)
    assert np.abs(synthesise(analyse(image, levels)) - image).max() < 1e-6


def test_pyramid_joins_the_sharp_halves() -> None:
    sharp = texture(96, 128)
    volume = split_scene()
    image = answer(make_decider("laplacian-pyramid"), volume)["image"]
    inner = (slice(8, -8), slice(8, -8))
    best_plane = min(np.mean((plane - sharp)[inner] ** 2) for plane in volume)
    assert np.mean((image - sharp)[inner] ** 2) < 0.1 * best_plane


@pytest.mark.parametrize("seed", [0, 1])
def test_noise_floor_finds_read_and_photon_noise(seed: int) -> None:
    rng = np.random.default_rng(seed)
    ramp = np.broadcast_to(np.linspace(0.1, 0.9, 512), (5, 512, 512))
    volume = ramp + rng.normal(size=ramp.shape) * np.sqrt(1e-4 + ramp / 2000)
    floor = noise_floor(Planes(volume))
    assert floor.offset == pytest.approx(1e-4, rel=0.3)
    assert floor.slope == pytest.approx(5e-4, rel=0.15)


def test_noise_floor_is_not_fooled_by_detail(rng: np.random.Generator) -> None:
    sharp = texture(256, 256)
    volume = np.stack([ndimage.gaussian_filter(sharp, 2.0 * abs(k - 2)) for k in range(5)])
    floor = noise_floor(Planes(volume + 0.01 * rng.normal(size=volume.shape)))
    variance = floor.variance(np.float32([0.5]))[0]
    assert variance == pytest.approx(1e-4, rel=0.3)
