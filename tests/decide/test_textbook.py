"""The textbook rules do what their papers say, by hand and on a scene with a known answer."""

from __future__ import annotations

import numpy as np
import pytest

from napari_swinfusion import fuse
from napari_swinfusion.decide.measures import one_hot
from napari_swinfusion.decide.registry import COMPARATORS, make_decider
from napari_swinfusion.decide.textbook import dct_variance, guided_filter, guided_tenengrad, without_specks
from napari_swinfusion.progress import CancelToken
from tests.conftest import Scene


@pytest.mark.parametrize("name", COMPARATORS)
def test_comparators_fuse_by_name(name: str, scene: Scene) -> None:
    result = fuse(scene.stack, model=name, keep_weights=True)
    assert result.image.shape == scene.truth.shape
    assert result.weights is not None
    assert np.allclose(result.weights.sum(axis=0), 1, atol=1e-5)
    assert result.weights.min() >= 0


@pytest.mark.parametrize("name", ["tenengrad-guided", "dct-variance"])
def test_selection_finds_the_sharp_planes(name: str, scene: Scene) -> None:
    decision = fuse(scene.stack, model=name).decision
    assert (decision == scene.depth).mean() > 0.8


def test_middle_plane_is_the_middle_plane(scene: Scene) -> None:
    result = fuse(scene.stack, model="middle-plane", match_illumination=False)
    assert (result.decision == 2).all()
    assert (result.image == scene.stack.read(0, plane=2)[0, 0]).all()


def test_specks_go_to_their_neighbours() -> None:
    index = np.zeros((20, 20), dtype=np.intp)
    index[:, 10:] = 1
    index[4:6, 4:6] = 2
    index[12:15, 16:19] = 2
    expected = index.copy()
    expected[4:6, 4:6] = 0
    assert (without_specks(index, least=5) == expected).all()
    assert (without_specks(index, least=1000) == index).all()


def test_guided_filter_follows_the_edge_of_its_guide() -> None:
    guide = np.zeros((40, 40), dtype=np.float32)
    guide[:, 20:] = 1
    ragged = guide.copy()
    ragged[10:13, 20:23] = 0
    filtered = guided_filter(ragged, guide)
    assert filtered[11, 21] > 0.8
    assert np.abs(filtered[25:] - guide[25:]).max() < 0.05
    flat = np.full_like(guide, 0.5)
    assert guided_filter(guide, flat)[20, 20] == pytest.approx(0.5, abs=0.05)


def test_guided_shares_of_two_planes_sum_to_one(rng: np.random.Generator) -> None:
    planes = rng.random((2, 48, 56)).astype(np.float32)
    assert np.allclose(guided_tenengrad(planes).sum(axis=0), 1, atol=1e-6)


def test_blocks_are_chosen_by_variance_and_outvoted_by_their_neighbours(rng: np.random.Generator) -> None:
    planes = np.full((2, 40, 44), 0.5, dtype=np.float32)
    planes[0] += 0.1 * rng.random((40, 44), dtype=np.float32)
    planes[1, 16:24, 16:24] += 0.5 * rng.random((8, 8), dtype=np.float32)
    alone = dct_variance(planes)
    assert (alone == one_hot(np.zeros((40, 44), dtype=np.intp), 2)).all()
    planes[1, 8:32, 8:32] += 0.5 * rng.random((24, 24), dtype=np.float32)
    # Of a square of 3 × 3 blocks the corners have 4 of 9 votes, and are lost; the cross has 6 at least.
    cross = np.zeros((40, 44))
    cross[16:24, 8:32] = cross[8:32, 16:24] = 1
    assert (dct_variance(planes)[1] == cross).all()


def test_cancel_is_asked(scene: Scene) -> None:
    token = CancelToken()
    token.cancel()
    with pytest.raises(Exception, match=r"(?i)cancel"):
        next(make_decider("dct-variance").decide(None, cancel=token))  # type: ignore[arg-type]
