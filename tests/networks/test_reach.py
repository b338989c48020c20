from __future__ import annotations

from napari_swinfusion.networks.blocks.reach import Cells, grid_of, reach_through, scaled


def test_a_window_reaches_from_one_side_to_the_other() -> None:
    assert reach_through([Cells(8)]) == 7
    assert reach_through([Cells(8), Cells(8)]) == 7


def test_shifted_windows_add_half_a_window_each() -> None:
    pair = [Cells(8), Cells(8, 4)]
    assert [reach_through(pair * count) for count in (1, 2, 3)] == [11, 19, 27]


def test_convolutions_between_windows_break_their_alignment() -> None:
    # From one side of a window one pixel into the next, and to that one's far side.
    assert reach_through([Cells(8), 1, Cells(8)]) == 15


def test_tokens_become_pixels() -> None:
    assert scaled([Cells(8, 4), 3, None], 4) == [Cells(32, 16), 12, None]


def test_one_unbounded_layer_makes_the_chain_unbounded() -> None:
    assert reach_through([Cells(8), None, 1]) is None


def test_the_grid_fits_all_cells() -> None:
    assert grid_of([Cells(8), 1, Cells(12, 6)]) == 24
    assert grid_of([]) == 1
