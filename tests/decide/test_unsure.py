"""What is sure in a decision map, and how the rest is filled: without specks, within the planes that are sure."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from napari_swinfusion.decide.unsure import confident_pixels, fill_unsure, orderly_pixels

N = 11


def sure_of(planes: NDArray[Any], confidence: NDArray[np.float32], threshold: float, n: int = N) -> NDArray[np.bool_]:
    confident = confident_pixels(confidence, threshold)
    return orderly_pixels(planes.astype(np.uint8), confidence, confident, n_planes=n)


def fill(planes: NDArray[Any], confidence: NDArray[np.float32], threshold: float) -> NDArray[Any]:
    return fill_unsure(planes, confidence, sure_of(planes, confidence, threshold))


def patches(rng: np.random.Generator, n: int, size: int = 192, side: int = 12) -> NDArray[np.integer[Any]]:
    """Return a map of patches, each with a plane of its own, as grain makes it in empty space."""
    return rng.integers(0, n, (size // side, size // side)).repeat(side, 0).repeat(side, 1)


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
    sure = sure_of(np.zeros((20, 20)), confidence, 0.5)
    assert sure.sum() == sure[:6, :6].sum() > 20


def test_patches_that_contradict_each_other_are_not_sure(rng: np.random.Generator) -> None:
    planes = patches(rng, 40)
    middling = np.full(planes.shape, 0.5, dtype=np.float32)
    middling[:16, :16] = 0.9
    sure = sure_of(planes, middling, 0.2, n=40)
    assert sure[:16, :16].all()
    assert sure[16:, 16:].mean() < 0.05
    # An object among them that is no more certain than they are keeps its plane; they take it over where they are near.
    planes[50:130, 50:130] = 20
    sure = sure_of(planes, middling, 0.2, n=40)
    assert sure[80:100, 80:100].all()
    filled = fill_unsure(planes, middling, sure)
    assert (filled[50:130, 50:130] == 20).mean() > 0.9
    assert np.abs(filled.astype(int) - 20)[40:140, 40:140].mean() < 2


def surface(what: str, rng: np.random.Generator) -> tuple[NDArray[np.integer[Any]], NDArray[np.bool_]]:
    """Return planes of 40 over 101 × 101 px, and where to look."""
    planes, look = np.full((101, 101), 20), np.ones((101, 101), dtype=bool)
    if what == "slope":
        planes[:] = np.arange(101) // 5
    elif what == "edge":
        planes[:, 45:] = 35
    elif what == "corner":
        planes[45:, 45:] = 35
    elif what in ("strand", "dot"):
        look[:] = False
        look[slice(36, 43) if what == "dot" else slice(None), 43:46] = True
        planes[look] = 5
    elif what == "rough":
        planes += rng.integers(-3, 4, planes.shape)
    return planes, look


@pytest.mark.parametrize("what", ["even", "slope", "edge", "corner", "strand", "dot", "rough"])
def test_what_has_a_shape_is_sure_without_being_certain(what: str, rng: np.random.Generator) -> None:
    planes, look = surface(what, rng)
    confidence = np.full(planes.shape, 0.5, dtype=np.float32)
    confidence[80:90, 80:90] = 0.9  # else the map might pass for one without any order
    assert look.sum() > 20
    assert sure_of(planes, confidence, 0.2, n=40)[look].mean() > 0.97


def test_a_strand_before_empty_space_is_sure() -> None:
    planes, confidence = np.full((96, 96), 20), np.full((96, 96), 0.05, dtype=np.float32)
    planes[:, 40:43], confidence[:, 40:43] = 5, 0.5
    assert np.array_equal(sure_of(planes, confidence, 0.2, n=40), confidence > 0.2)


@pytest.mark.parametrize("n", [2, 3])
def test_of_few_planes_all_are_neighbours(n: int, rng: np.random.Generator) -> None:
    confidence = np.full((96, 96), 0.5, dtype=np.float32)
    assert sure_of(rng.integers(0, n, (96, 96)), confidence, 0.2, n=n).all()


def test_a_map_without_any_order_keeps_what_is_confident(rng: np.random.Generator) -> None:
    planes, confidence = patches(rng, 40, size=96, side=2), np.full((96, 96), 0.5, dtype=np.float32)
    confidence[:, 48:] = 0.1
    assert np.array_equal(sure_of(planes, confidence, 0.2, n=40), confidence > 0.2)


@given(height=st.integers(1, 40), width=st.integers(1, 40), seed=st.integers(0, 99))
def test_fill_stays_within_the_sure_planes(height: int, width: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    decision = rng.integers(0, 9, (height, width))
    confidence = rng.random((height, width)).astype(np.float32)
    if not sure_of(decision, confidence, 0.6).any():
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
