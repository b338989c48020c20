from __future__ import annotations

import numpy as np
import pytest

from napari_swinfusion.decide.depth import depth_from_focus


@pytest.mark.parametrize(
    ("shares", "depth"),
    [
        ([0, 0, 1, 0, 0, 0], 2.0),
        ([0, 0, 0.5, 0.5, 0, 0], 2.5),
        ([0.75, 0.25, 0, 0, 0, 0], 0.25),
        ([0, 0, 0.1, 0.2, 0.3, 0.4], 3.8 / 0.9),
        ([0.3, 0, 0, 0, 0.35, 0.35], 4.5),
    ],
    ids=["one", "between", "first", "planes too far away do not count", "another surface does not count"],
)
def test_depth_is_the_mean_place_about_the_likeliest_plane(shares: list[float], depth: float) -> None:
    focus = np.array(shares, dtype=np.float32)[:, None, None]
    found = depth_from_focus(focus)
    assert np.array_equal(found, depth_from_focus(focus, focus.argmax(axis=0)))
    assert (found.dtype, found.shape) == (np.float32, (1, 1))
    assert found == pytest.approx(depth)


def test_bands_do_not_show_and_another_plane_may_be_asked_for(rng: np.random.Generator) -> None:
    # Wider than one band's shares, so that each row is a step of its own.
    focus = rng.random((4, 3, 300_000), dtype=np.float32)
    whole = depth_from_focus(focus)
    for row in range(3):
        assert np.array_equal(whole[row : row + 1], depth_from_focus(focus[:, row : row + 1]))
    assert depth_from_focus(np.eye(9, dtype=np.float32)[[1, 7]].sum(0)[:, None, None], np.array([[7]])) == 7
