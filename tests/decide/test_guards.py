"""Guards: filled maps without specks, and the nearer of two objects where one shines through the other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from napari_swinfusion.decide.base import TileDecision
from napari_swinfusion.decide.guards import fill_unsure, prefer_in_answer, prefer_plane, sure_pixels
from napari_swinfusion.decide.measures import MeasureDecider
from napari_swinfusion.tiling import Box


def column(*shares: float) -> NDArray[np.float32]:
    """One pixel's distribution over planes."""
    return (np.array(shares, dtype=np.float32) / sum(shares)).reshape(-1, 1, 1)


def fill(planes: NDArray[Any], confidence: NDArray[np.float32], threshold: float) -> NDArray[Any]:
    return fill_unsure(planes, confidence, sure_pixels(confidence, threshold))


def test_fill_makes_salt_and_pepper_quiet(rng: np.random.Generator) -> None:
    decision = rng.integers(0, 11, (128, 128)).astype(np.uint8)
    confidence = np.zeros((128, 128), dtype=np.float32)
    decision[40:90, 40:90], confidence[40:90, 40:90] = 6, 0.9
    confidence[10, 10], decision[10, 10] = 1.0, 0  # a lone speck that is sure of itself
    filled = fill(decision, confidence, 0.5)
    assert filled.dtype == decision.dtype
    assert (filled == 6).all()


def test_fill_keeps_sure_pixels_and_ramps_between_objects(rng: np.random.Generator) -> None:
    decision = rng.integers(0, 11, (64, 200)).astype(np.intp)
    confidence = np.full((64, 200), 0.1, dtype=np.float32)
    decision[:, :60], confidence[:, :60] = 2, 0.9
    decision[:, -60:], confidence[:, -60:] = 8, 0.9
    filled = fill(decision, confidence, 0.5)
    assert (filled[:, :60] == 2).all()
    assert (filled[:, -60:] == 8).all()
    assert np.abs(np.diff(filled, axis=0)).max() <= 1
    between = filled[32, 60:140]
    assert (np.diff(between) >= 0).all()
    assert np.diff(between).max() <= 1


def test_lone_specks_are_not_sure() -> None:
    confidence = np.zeros((20, 20), dtype=np.float32)
    confidence[10, 10], confidence[:6, :6] = 1, 0.6
    assert sure_pixels(confidence, 0.5).sum() == sure_pixels(confidence, 0.5)[:6, :6].sum() > 20


@given(height=st.integers(1, 40), width=st.integers(1, 40), seed=st.integers(0, 99))
def test_fill_stays_within_the_sure_planes(height: int, width: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    decision = rng.integers(0, 9, (height, width))
    confidence = rng.random((height, width)).astype(np.float32)
    if not sure_pixels(confidence, 0.6).any():
        return
    filled = fill(decision, confidence, 0.6)
    assert filled.shape == decision.shape
    assert decision.min() <= filled.min() <= filled.max() <= decision.max()
    assert np.array_equal(filled, fill(decision, confidence, 0.6))


def test_fill_leaves_a_map_that_is_sure_everywhere(rng: np.random.Generator) -> None:
    decision = rng.integers(0, 9, (30, 31))
    depth = rng.random((30, 31), dtype=np.float32)
    assert np.array_equal(fill(depth, np.ones((30, 31), dtype=np.float32), 0.5), depth)
    assert np.array_equal(fill(decision, np.ones((30, 31), dtype=np.float32), 0.5), decision)


def test_prefer_picks_the_nearer_of_two_peaks() -> None:
    transparent = column(1, 7, 1, 1, 10, 2)
    assert prefer_plane(transparent, "top").argmax(axis=0) == 1
    assert prefer_plane(transparent, "bottom").argmax(axis=0) == 4
    assert prefer_plane(transparent[::-1], "bottom").argmax(axis=0) == 4


def test_prefer_leaves_out_what_lies_beyond_the_valley() -> None:
    near = prefer_plane(column(1, 7, 1, 1, 10, 2), "top").ravel()
    assert near[4:] == pytest.approx([0, 0])
    assert near[:4] == pytest.approx(np.array([1, 7, 1, 1]) / 10)


@pytest.mark.parametrize("prefer", ["top", "bottom"])
@pytest.mark.parametrize(
    "single",
    [
        column(0, 1, 8, 10, 8, 1),  # one wide focus
        column(8, 10, 1, 0.5, 1.5, 0.5),  # a second peak that is too faint
        column(5, 6, 5, 6, 5, 6),  # noise: no valley between the peaks
        column(1, 1, 1, 1),
    ],
)
def test_prefer_leaves_one_focus_alone(single: NDArray[np.float32], prefer: str) -> None:
    assert np.array_equal(prefer_plane(single, prefer), single)  # type: ignore[arg-type]


def test_prefer_of_two_planes_takes_the_asked_one_where_nearly_as_sharp() -> None:
    assert prefer_plane(column(9, 10), "top").ravel() == pytest.approx([1, 0])
    assert prefer_plane(column(10, 9), "bottom").ravel() == pytest.approx([0, 1])
    assert prefer_plane(column(1, 10), "top").argmax(axis=0) == 1


@given(n=st.integers(2, 8), seed=st.integers(0, 99))
def test_prefer_gives_a_distribution_and_top_mirrors_bottom(n: int, seed: int) -> None:
    focus = np.random.default_rng(seed).random((n, 5, 6)).astype(np.float32) ** 4
    focus /= focus.sum(axis=0)
    top = prefer_plane(focus, "top")
    assert np.abs(top.sum(axis=0) - 1).max() < 1e-5
    assert (top.argmax(axis=0) <= focus.argmax(axis=0)).all()
    assert np.array_equal(top, prefer_plane(focus[::-1], "bottom")[::-1])


class Transparent:
    """Two films, at planes 1 and 6 of 8, that shine through each other; the far one is the more contrasted."""

    n_planes, height, width = 8, 96, 96

    def __init__(self) -> None:
        rng = np.random.default_rng(1)
        near, far = (ndimage.gaussian_filter(rng.normal(size=(96, 96)), 1.0) for _ in range(2))
        self.near, self.far = 0.5 + 0.5 * near, 0.6 * far
        self.volume = np.stack(
            [
                ndimage.gaussian_filter(self.near, abs(k - 1.0)) + ndimage.gaussian_filter(self.far, abs(k - 6.0))
                for k in range(8)
            ]
        ).astype(np.float32)

    def grey(self, box: Box, plane: int | None = None) -> NDArray[np.float32]:
        volume = self.volume if plane is None else self.volume[plane : plane + 1]
        return volume[(slice(None), *box.slices)]


def test_prefer_chooses_between_two_films_that_shine_through_each_other() -> None:
    films = Transparent()
    (answer,) = MeasureDecider("tenengrad").decide(films)
    assert isinstance(answer, TileDecision)
    assert answer.focus is not None
    for prefer, plane in (("top", 1), ("bottom", 6)):
        weights, focus = prefer_in_answer(answer.weights, answer.focus, prefer)  # type: ignore[arg-type]
        plain = (answer.focus.argmax(axis=0) == plane).mean()
        assert (focus.argmax(axis=0) == plane).mean() > max(0.5, plain)
        assert weights[plane].mean() > answer.weights[plane].mean()
        assert np.abs(weights.sum(axis=0) - 1).max() < 1e-5


def test_prefer_leaves_the_weights_of_unmoved_pixels(rng: np.random.Generator) -> None:
    focus = np.concatenate([column(1, 8, 10, 8, 1), column(0, 9, 1, 10, 1)], axis=2)
    weights = rng.random(focus.shape).astype(np.float32)
    preferred, _ = prefer_in_answer(weights, focus, "top")
    assert np.array_equal(preferred[..., 0], weights[..., 0])
    assert preferred[:, 0, 1] == pytest.approx([0, 0.9, 0.1, 0, 0])
