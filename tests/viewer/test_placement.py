from __future__ import annotations

import numpy as np
import pytest

from napari_swinfusion.viewer.placement import Placement, Slot, result_slots, with_slabs


@pytest.mark.parametrize(
    ("axes", "dropped", "expected"),
    [
        ("ZYX", "Z", [(1, False), (2, False)]),
        ("ZYXS", "ZCS", [(1, False), (2, False)]),
        ("TZYX", "Z", [(0, False), (1, True), (2, False), (3, False)]),
        ("CZYX", "ZCS", [(2, False), (3, False)]),
        ("TCZYX", "ZCS", [(0, False), (1, True), (2, True), (3, False), (4, False)]),
    ],
)
def test_a_dropped_axis_behind_a_kept_one_becomes_a_slab(axes, dropped, expected):
    assert result_slots(axes, dropped) == tuple(Slot(*slot) for slot in expected)


def test_a_slab_is_as_thick_as_the_whole_source_and_in_its_middle():
    place = Placement(
        scale=(30.0, 4.0, 0.5, 0.5),
        translate=(0.0, 10.0, 1.0, 2.0),
        units=("second", "micrometer", "micrometer", "micrometer"),
        axis_labels=("t", "z", "y", "x"),
        turn=tuple(map(tuple, np.eye(5))),
    )
    result = place.keep(result_slots("TZYX", "Z"), (3, 5, 64, 64))
    assert result.scale == (30.0, 20.0, 0.5, 0.5)
    # Planes lie at 10, 14, 18, 22, 26: the slab reaches from 8 to 28.
    assert result.translate[1] - result.scale[1] / 2 == 8.0
    assert result.translate[1] + result.scale[1] / 2 == 28.0


def test_slabs_are_views():
    array = np.zeros((3, 4, 5))
    assert with_slabs(array, result_slots("TZYX", "Z")).shape == (3, 1, 4, 5)
    assert np.shares_memory(with_slabs(array, result_slots("TZYX", "Z")), array)


def test_a_turned_source_gives_a_turned_result():
    turn = np.eye(4)
    turn[1:3, 1:3] = [[0, -1], [1, 0]]
    place = Placement(
        scale=(4.0, 1.0, 1.0),
        translate=(0.0, 0.0, 0.0),
        units=("pixel",) * 3,
        axis_labels=("z", "y", "x"),
        turn=tuple(map(tuple, turn)),
    )
    arguments = place.keep(result_slots("ZYX", "Z"), (5, 8, 8)).layer_arguments()
    np.testing.assert_array_equal(arguments["affine"], [[0, -1, 0], [1, 0, 0], [0, 0, 1]])


def test_a_plain_placement_needs_no_affine():
    assert "affine" not in Placement.plain(("y", "x")).layer_arguments()


def test_a_part_lies_where_it_was_cut_out():
    place = Placement.plain(("z", "y", "x"))
    assert place.shifted((0, 7, 9)).translate == (0.0, 7.0, 9.0)
