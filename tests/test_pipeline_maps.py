"""The maps of a fusion, from shares that are known: decision, confidence and depth, sure and unsure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import napari_swinfusion as nsf
from napari_swinfusion.decide.base import DeciderInfo, GreyPlanes, TileDecision
from napari_swinfusion.errors import ModelError
from napari_swinfusion.progress import CancelToken, ProgressCallback
from napari_swinfusion.tiling import plan_tiles


@dataclass
class Told:
    """A decider that answers with the shares `(n, w)` it is told, the same in every row, and with one depth for all."""

    shares: Callable[[int, int], NDArray[Any]]
    depth: float | None = None
    info: DeciderInfo = field(default_factory=lambda: DeciderInfo(name="told", summary="", sha256="0" * 64))

    def decide(
        self, planes: GreyPlanes, *, progress: ProgressCallback | None = None, cancel: CancelToken | None = None
    ) -> Iterator[TileDecision]:
        whole = plan_tiles(planes.height, planes.width, core=planes.width, reach=0, multiple=1)[0].core
        shares = self.shares(planes.n_planes, planes.width).astype(np.float32)
        told = None if self.depth is None else np.full((planes.height, planes.width), self.depth, dtype=np.float32)
        yield TileDecision(box=whole, weights=shares[:, None].repeat(planes.height, axis=1), depth=told)


def hesitant(n: int, width: int) -> NDArray[Any]:
    """Return shares that are sure of plane 1 on the right, and hardly prefer plane 0 on the left."""
    shares = np.full((n, width), 1 / (n + 0.3))
    shares[0] *= 1.3
    shares[:, width // 2 :] = np.eye(n)[1][:, None]
    return shares


def leaning(n: int, width: int) -> NDArray[Any]:
    """Return shares that are sure of the first plane on the left, of the last on the right, and of none between."""
    shares = np.full((n, width), 1 / n)
    shares[:, : width // 4] = np.eye(n)[0][:, None]
    shares[:, -(width // 4) :] = np.eye(n)[-1][:, None]
    return shares


@pytest.mark.parametrize(("n", "left"), [(2, 0), (3, 1), (6, 1)])
def test_unsure_pixels_of_a_stack_follow_sure_ones_and_those_of_a_pair_the_likelier_plane(n: int, left: int) -> None:
    planes = np.random.default_rng(0).integers(0, 1000, (n, 32, 32), dtype=np.uint16)
    result = nsf.fuse(planes, model=Told(hesitant), blend="hard", match_illumination=False)
    assert (result.decision == np.where(np.arange(32) < 16, left, 1)).all()
    assert (result.image == np.where(np.arange(32) < 16, planes[left], planes[1])).all()
    assert (result.confidence[:, :16] < 0.05).all()


def grainy(n: int, width: int) -> NDArray[Any]:
    """Return shares that are sure of plane 4 on the left; on the right stripes of 5 px name another one each."""
    named = np.random.default_rng(1).permutation(np.arange(width) % n).repeat(5)[:width]
    shares = 0.28 * np.eye(n)[named].T + 0.72 / n
    shares[:, : width // 3] = np.eye(n)[4][:, None]
    return shares


def jumps(planes: NDArray[Any]) -> int:
    return int((np.abs(np.diff(planes.astype(float), axis=1)) > 2).sum())


@pytest.mark.parametrize("left_out", [None, 2, 7])
def test_grain_is_filled_in_the_depth_and_stays_what_the_image_is_made_of(left_out: int | None) -> None:
    planes = np.random.default_rng(0).integers(0, 1000, (24, 64, 288), dtype=np.uint16)
    if left_out is not None:
        planes[left_out] = 65535
    result = nsf.fuse(planes, model=Told(grainy), blend="hard", match_illumination=False)
    counted = np.delete(np.arange(24), [] if left_out is None else left_out)
    told = np.broadcast_to(counted[grainy(len(counted), 288).argmax(axis=0)], (64, 288))
    assert (result.confidence[:, 100:] > 0.3).all()
    assert (result.confidence[:, 100:] < 0.7).all()
    np.testing.assert_array_equal(result.decision, told)
    np.testing.assert_array_equal(result.image, np.take_along_axis(planes, told[None], 0)[0])
    np.testing.assert_allclose(result.depth[:, :90], told[:, :90])
    assert jumps(result.depth) < 0.1 * jumps(told)


@pytest.mark.parametrize("left_out", [1, 2])
def test_nothing_is_filled_with_a_plane_that_is_left_out(left_out: int) -> None:
    planes = np.random.default_rng(0).integers(0, 1000, (3, 64, 64), dtype=np.uint16)
    whole = nsf.fuse(planes, model=Told(leaning), blend="hard", match_illumination=False)
    harmed = np.insert(planes, left_out, 65535, axis=0)
    result = nsf.fuse(harmed, model=Told(leaning), blend="hard", match_illumination=False)
    assert set(np.unique(whole.decision)) == {0, 1, 2}
    np.testing.assert_array_equal(result.image, whole.image)
    np.testing.assert_array_equal(result.decision, whole.decision + (whole.decision >= left_out))
    np.testing.assert_allclose(result.depth[:, :16], whole.depth[:, :16] + (whole.depth[:, :16] >= left_out))


def test_depth_has_fractions_and_counts_planes_that_are_left_out() -> None:
    planes = np.random.default_rng(0).integers(0, 1000, (4, 32, 32), dtype=np.uint16)

    def slope(n: int, width: int) -> NDArray[Any]:
        shares = np.zeros((n, width))
        shares[1], shares[2] = 0.75, 0.25
        return shares

    assert nsf.fuse(planes, model=Told(slope), match_illumination=False).depth == pytest.approx(1.25)
    harmed = np.insert(planes, 2, 65535, axis=0)
    assert nsf.fuse(harmed, model=Told(slope), match_illumination=False).depth == pytest.approx(1.5)


def test_depth_is_that_of_the_planes_that_count() -> None:
    """What a decider told is not asked where it does not hold: on a surface not preferred, on a plane without value."""
    planes = np.random.default_rng(0).random((7, 32, 32), dtype=np.float32)

    def two_surfaces(n: int, width: int) -> NDArray[Any]:
        shares = np.zeros((n, width))
        shares[[1, 6]] = [[0.6], [0.4]]
        return shares

    decider = Told(two_surfaces, depth=1.2)
    assert nsf.fuse(planes, model=decider).depth == pytest.approx(1.2)
    bottom = nsf.fuse(planes, model=decider, prefer="bottom")
    assert (bottom.decision == 6).all()
    assert bottom.depth == pytest.approx(6)
    planes[1, 10, 10] = np.nan
    harmed = nsf.fuse(planes, model=decider)
    assert harmed.depth[10, 10] == pytest.approx(6)
    assert np.delete(harmed.depth, 10, axis=0) == pytest.approx(1.2)


def test_shares_of_zero_have_a_depth_and_a_depth_that_is_not_finite_is_refused() -> None:
    planes = np.random.default_rng(0).integers(0, 1000, (3, 32, 32), dtype=np.uint16)
    nothing = nsf.fuse(planes, model=Told(lambda n, width: np.zeros((n, width))), match_illumination=False)
    assert np.array_equal(nothing.depth, nothing.decision)
    with pytest.raises(ModelError, match="not finite"):
        nsf.fuse(planes, model=Told(hesitant, depth=np.nan), match_illumination=False)


def test_with_nothing_sure_the_commonest_plane_and_its_depth_stand_for_all(rng: np.random.Generator) -> None:
    planes = rng.integers(0, 1000, (9, 32, 32), dtype=np.uint16)

    def even(n: int, width: int) -> NDArray[Any]:
        shares = np.full((n, width), 1 / n)
        shares[[1, 3, 3, 3, 7] * (width // 5) + [3] * (width % 5), np.arange(width)] += 1e-3
        return shares

    result = nsf.fuse(planes, model=Told(even), match_illumination=False)
    assert (result.decision == 3).all()
    assert (result.depth == 3).all()


def test_a_plane_that_is_left_out_parts_no_others() -> None:
    planes = np.random.default_rng(0).integers(0, 1000, (3, 32, 32), dtype=np.uint16)
    whole = nsf.fuse(planes, model=Told(hesitant), prefer="bottom", match_illumination=False)
    result = nsf.fuse(
        np.insert(planes, 1, 65535, axis=0), model=Told(hesitant), prefer="bottom", match_illumination=False
    )
    np.testing.assert_array_equal(result.decision, whole.decision + (whole.decision >= 1))
    np.testing.assert_array_equal(result.image, whole.image)
