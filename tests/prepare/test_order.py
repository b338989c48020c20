"""Planes out of the order of z are told of; planes in order, and planes that say nothing, are not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import napari_swinfusion as nsf
from napari_swinfusion.prepare import prepare
from napari_swinfusion.prepare.order import out_of_order
from napari_swinfusion.simulation import simulate

SHUFFLED = np.random.default_rng(0).permutation(9)


@pytest.fixture(scope="module", params=["organoid-brightfield", "cells-fluorescence", "reflected"])
def planes(request: pytest.FixtureRequest) -> Any:
    return simulate(preset=request.param, n_planes=9, height=128, width=128, photons=2000, seed=3).stack.data


def is_told(planes: Any) -> bool:
    return any("order of z" in notice for notice in prepare(nsf.FocalStack.from_array(planes)).notices)


def test_planes_in_order_from_above_or_below_or_twice_are_not_told_of(planes: Any) -> None:
    assert not is_told(planes)
    assert not is_told(planes[::-1])
    assert not is_told(planes.repeat(2, axis=0))


def test_shuffled_planes_are_told_of(planes: Any) -> None:
    assert is_told(planes[SHUFFLED])


def test_a_plane_that_is_left_out_has_no_place_in_the_order(planes: Any) -> None:
    blank = np.insert(planes, 4, 0, axis=0)
    assert not is_told(blank)
    assert is_told(np.insert(planes[SHUFFLED], 4, 0, axis=0))


def test_what_moves_or_flickers_or_is_lost_is_not_taken_for_disorder(planes: Any) -> None:
    shifts = np.random.default_rng(0).integers(-4, 5, (9, 2))
    assert not is_told(np.stack([np.roll(plane, shift, (0, 1)) for plane, shift in zip(planes, shifts, strict=True)]))
    lamp = 1 + 0.05 * np.random.default_rng(0).standard_normal((9, 1, 1))
    assert not is_told((planes * lamp).clip(0, 65535).astype(np.uint16))
    lost = planes.astype(np.float32)
    lost[4] = np.nan
    assert not is_told(lost)


@pytest.mark.parametrize("n", [8, 12, 40])
def test_noise_has_no_order(n: int) -> None:
    for seed in range(10):
        assert not out_of_order(np.random.default_rng(seed).standard_normal((n, 64, 64), dtype=np.float32))


def test_equal_planes_have_no_order() -> None:
    assert not out_of_order(np.ones((8, 16, 16), np.float32))
    one = np.random.default_rng(0).standard_normal((1, 64, 64), dtype=np.float32)
    assert not out_of_order(one.repeat(8, axis=0))
