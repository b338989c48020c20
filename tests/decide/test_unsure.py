"""What is sure in a decision map, and how the rest is filled: without specks, within the planes that are sure."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from napari_swinfusion.decide.unsure import fill_unsure, sure_pixels

N = 11


def sure_of(planes: NDArray[Any], confidence: NDArray[np.float32], threshold: float, n: int = N) -> NDArray[np.bool_]:
    return sure_pixels(planes.astype(np.uint8), confidence, n_planes=n, threshold=threshold)


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
    assert sure_of(planes, middling, 0.2, n=40).mean() < 0.1
    assert sure_of(planes, middling + 0.3, 0.2, n=40).all()
    # An object among them keeps its plane, and what is around it takes it over.
    planes[30:66, 30:66], middling[30:66, 30:66] = 20, 0.8
    filled = fill_unsure(planes, middling, sure_of(planes, middling, 0.2, n=40))
    assert (filled[30:66, 30:66] == 20).all()
    assert np.abs(filled.astype(int) - 20)[20:76, 20:76].mean() < 2


@pytest.mark.parametrize("what", ["slope", "step", "strand", "few planes"])
def test_what_has_a_shape_is_sure_without_being_certain(what: str, rng: np.random.Generator) -> None:
    planes = np.full((96, 96), 20)
    confidence = np.full(planes.shape, 0.5, dtype=np.float32)
    if what == "slope":
        planes[:] = np.arange(96) // 4
    elif what == "step":
        planes[:, 48:] = 35
    elif what == "strand":  # three pixels wide, before empty space
        confidence[:] = 0.05
        planes[:, 40:43], confidence[:, 40:43] = 5, 0.5
    n = 3 if what == "few planes" else 40
    planes = rng.integers(0, 2, planes.shape) if n == 3 else planes
    sure = sure_of(planes, confidence, 0.2, n=n)
    assert (sure == (confidence > 0.2)).mean() > 0.97


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
