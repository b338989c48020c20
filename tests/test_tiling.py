from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from napari_swinfusion.tiling import Box, halved, plan_tiles

SIDES = st.integers(1, 300)


@given(SIDES, SIDES, st.sampled_from([1, 64, 100, 256]), st.integers(0, 90), st.sampled_from([1, 8, 32]))
def test_cores_cover_once_and_all_boxes_lie_on_the_grid(
    height: int, width: int, core: int, reach: int, multiple: int
) -> None:
    covered = np.zeros((height, width), int)
    for tile in plan_tiles(height, width, core=core, reach=reach, multiple=multiple):
        covered[tile.core.clipped(height, width).slices] += 1
        for box in (tile.read, tile.core):
            assert all(side % multiple == 0 for side in (box.y0, box.y1, box.x0, box.x1))
        assert tile.core.y0 - tile.read.y0 >= min(reach, tile.core.y0)
        assert tile.core.x0 - tile.read.x0 >= min(reach, tile.core.x0)
        assert tile.core.height <= max(core, multiple)
    assert (covered == 1).all()


@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, 8, 32]))
def test_halves_join_to_the_whole_on_the_grid(rows: int, columns: int, multiple: int) -> None:
    whole = Box(0, rows * multiple, 0, columns * multiple)
    halves = halved(whole, multiple)
    if rows == columns == 1:
        assert halves is None
        return
    assert halves is not None
    first, second = halves
    assert first.height * first.width + second.height * second.width == whole.height * whole.width
    assert (first.y1, first.x0) == (second.y0, second.x0) or (first.x1, first.y0) == (second.x0, second.y0)
    assert min(first.height, second.height, first.width, second.width) >= multiple
    assert all(side % multiple == 0 for side in (second.y0, second.x0))
