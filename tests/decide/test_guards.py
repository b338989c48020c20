"""Guards: the nearer of two objects where one shines through the other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from napari_swinfusion.decide.base import TileDecision
from napari_swinfusion.decide.guards import prefer_in_answer, prefer_plane
from napari_swinfusion.decide.measures import MeasureDecider
from napari_swinfusion.tiling import Box


def column(*shares: float) -> NDArray[np.float32]:
    """One pixel's distribution over planes."""
    return (np.array(shares, dtype=np.float32) / sum(shares)).reshape(-1, 1, 1)


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
