"""Composition: convex means and single planes of measured values, in every pixel type."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from napari_swinfusion.composition import compose_decision, compose_painted, compose_weights, confidence_of

DTYPES = ["uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", "float16", "float32", "float64"]


def shares(rng: np.random.Generator, n: int, height: int, width: int) -> NDArray[np.float32]:
    weights = rng.random((n, height, width), dtype=np.float32) ** 4
    return weights / weights.sum(axis=0)


def values(rng: np.random.Generator, dtype: str, shape: tuple[int, ...]) -> NDArray[Any]:
    kind = np.dtype(dtype)
    if kind.kind == "f":
        return (rng.standard_normal(shape) * 100).astype(kind)
    info = np.iinfo(kind)
    return rng.integers(info.min, info.max, shape, dtype=kind, endpoint=True)


def identity(n: int, channels: int = 1) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return np.ones((n, channels)), np.zeros((n, channels))


@pytest.mark.parametrize("dtype", DTYPES)
def test_weighted_mean_keeps_type_and_lies_between_the_planes(dtype: str, rng: np.random.Generator) -> None:
    raw = values(rng, dtype, (5, 2, 13, 17))
    fused = compose_weights(raw, shares(rng, 5, 13, 17), *identity(5, 2))
    assert fused.dtype == raw.dtype
    assert fused.shape == (2, 13, 17)
    low, high = raw.min(axis=0).astype(np.float64), raw.max(axis=0).astype(np.float64)
    slack = 1e-9 * np.maximum(np.abs(low), np.abs(high))
    assert (fused >= low - slack).all()
    assert (fused <= high + slack).all()


def test_16_bit_means_are_right_to_the_last_bit(rng: np.random.Generator) -> None:
    raw = rng.integers(0, 65536, (20, 1, 64, 64), dtype=np.uint16)
    weights = shares(rng, 20, 64, 64)
    gains, offsets = rng.uniform(0.9, 1.1, (20, 1)), rng.uniform(-50, 50, (20, 1))
    exact = (weights.astype(np.float64) * (raw[:, 0] * gains[..., None] + offsets[..., None])).sum(axis=0)
    exact /= weights.sum(axis=0, dtype=np.float64)
    assert np.abs(compose_weights(raw, weights, gains, offsets)[0] - exact).max() < 0.52


@pytest.mark.parametrize("dtype", [*DTYPES, "bool"])
def test_equal_planes_give_exactly_their_value(dtype: str, rng: np.random.Generator) -> None:
    plane = values(rng, dtype, (1, 1, 31, 37)) if dtype != "bool" else rng.random((1, 1, 31, 37)) < 0.5
    raw = plane.repeat(7, axis=0)
    if np.dtype(dtype).kind in "ui" and np.dtype(dtype).itemsize == 8:
        raw = (raw.astype(np.float64) / 4096).astype(dtype)  # beyond 2^53 sixteen digits are promised, not all
    assert np.array_equal(compose_weights(raw, shares(rng, 7, 31, 37), *identity(7)), raw[0])
    assert np.array_equal(compose_decision(raw, rng.integers(0, 7, (31, 37)), *identity(7)), raw[0])


@pytest.mark.parametrize("dtype", [dtype for dtype in DTYPES if "int" in dtype])
@pytest.mark.parametrize("gain", [0.5, 3.0])
def test_the_ends_of_the_range_are_clipped_never_wrapped(dtype: str, gain: float) -> None:
    info = np.iinfo(dtype)
    raw = np.stack([np.full((1, 4, 4), info.max, dtype), np.full((1, 4, 4), info.min, dtype)])
    gains, offsets = np.full((2, 1), gain), np.zeros((2, 1))
    for plane, bound in enumerate((info.max, info.min)):
        only = np.zeros((2, 4, 4), dtype=np.float32)
        only[plane] = 1
        fused = compose_weights(raw, only, gains, offsets)
        chosen = compose_decision(raw, np.full((4, 4), plane), gains, offsets)
        expected = min(max(bound * gain, info.min), info.max)
        assert np.allclose(fused.astype(np.float64), expected, rtol=1e-9, atol=1)
        assert np.array_equal(chosen, fused)


def test_booleans_follow_the_weighted_majority() -> None:
    raw = np.array([True, False, False]).reshape(3, 1, 1, 1)
    weights = np.array([[0.6, 0.3, 0.1], [0.4, 0.3, 0.3]], dtype=np.float32)
    fused = [compose_weights(raw, w.reshape(3, 1, 1), *identity(3)) for w in weights]
    assert [bool(f[0, 0, 0]) for f in fused] == [True, False]
    assert fused[0].dtype == bool


def test_hard_composition_copies_measured_values_untouched(rng: np.random.Generator) -> None:
    raw = values(rng, "uint16", (6, 3, 20, 30))
    decision = rng.integers(0, 6, (20, 30)).astype(np.uint8)
    fused = compose_decision(raw, decision, *identity(6, 3))
    for plane in range(6):
        where = decision == plane
        assert np.array_equal(fused[:, where], raw[plane][:, where])


def test_gain_and_offset_belong_to_the_plane_and_channel(rng: np.random.Generator) -> None:
    raw = rng.integers(1000, 2000, (3, 2, 8, 8), dtype=np.uint16)
    gains = np.array([[1.0, 2.0], [0.5, 1.0], [1.1, 3.0]])
    offsets = np.array([[0.0, 10.0], [-100.0, 0.0], [7.0, 1.0]])
    decision = rng.integers(0, 3, (8, 8))
    fused = compose_decision(raw, decision, gains, offsets)
    for y, x, k in np.ndindex(8, 8, 2):
        plane = decision[y, x]
        assert abs(float(fused[k, y, x]) - (raw[plane, k, y, x] * gains[plane, k] + offsets[plane, k])) <= 0.51


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_values_that_are_not_finite_are_left_out(bad: float, dtype: str, rng: np.random.Generator) -> None:
    raw = rng.random((4, 1, 6, 6)).astype(dtype)
    raw[1, 0, 2, 3] = bad  # one plane
    raw[:, 0, 5, 5] = bad  # all planes
    raw[2, 0, 0, 0] = bad  # the plane with all the weight
    weights = shares(rng, 4, 6, 6)
    weights[:, 0, 0] = [0, 0, 1, 0]
    fused = compose_weights(raw, weights, *identity(4))[0]
    assert np.isnan(fused[5, 5])
    assert np.isfinite(np.delete(fused.ravel(), 35)).all()
    rest = [0, 2, 3]
    expected = (raw[rest, 0, 2, 3] * weights[rest, 2, 3]).sum() / weights[rest, 2, 3].sum()
    assert float(fused[2, 3]) == pytest.approx(float(expected), rel=2e-3)
    assert float(fused[0, 0]) == pytest.approx(float(raw[[0, 1, 3], 0, 0, 0].mean()), rel=2e-3)


def test_a_decision_for_a_bad_value_takes_the_nearest_good_plane() -> None:
    raw = np.array([10.0, np.nan, np.nan, 40.0]).reshape(4, 1, 1, 1)
    for plane, expected in ((0, 10.0), (1, 10.0), (2, 40.0), (3, 40.0)):
        assert compose_decision(raw, np.full((1, 1), plane), *identity(4))[0, 0, 0] == expected
    assert np.isnan(compose_decision(np.full((2, 1, 1, 1), np.nan), np.zeros((1, 1), int), *identity(2))).all()


def test_no_weight_at_all_counts_as_equal_weight(rng: np.random.Generator) -> None:
    raw = rng.integers(0, 255, (3, 1, 4, 4), dtype=np.uint8)
    fused = compose_weights(raw, np.zeros((3, 4, 4), dtype=np.float32), *identity(3))
    assert np.abs(fused[0] - raw.mean(axis=0)[0]).max() <= 0.51


def test_bands_do_not_show(rng: np.random.Generator) -> None:
    # Wider than one band's values, so that each row is a step of its own.
    raw, weights = values(rng, "uint8", (2, 1, 3, 300_000)), shares(rng, 2, 3, 300_000)
    whole = compose_weights(raw, weights, *identity(2))
    for row in range(3):
        part = compose_weights(raw[:, :, row : row + 1], weights[:, row : row + 1], *identity(2))
        assert np.array_equal(whole[:, row : row + 1], part)


@given(n=st.integers(2, 30), seed=st.integers(0, 1000))
def test_confidence_runs_from_all_alike_to_one_alone(n: int, seed: int) -> None:
    focus = shares(np.random.default_rng(seed), n, 5, 6)
    confidence = confidence_of(focus)
    assert confidence.dtype == np.float32
    assert ((confidence >= 0) & (confidence <= 1)).all()
    assert confidence_of(np.full((n, 1, 1), 1 / n, dtype=np.float32)) == pytest.approx(0, abs=1e-5)
    alone = np.zeros((n, 1, 1), dtype=np.float32)
    alone[n // 2] = 1
    assert confidence_of(alone) == pytest.approx(1)
    two = np.zeros((n, 1, 1), dtype=np.float32)
    two[:2] = 0.5
    assert confidence_of(two) == pytest.approx((n - 2) / (n - 1), abs=1e-5)


def test_a_painted_grey_image_returns_in_raw_units(rng: np.random.Generator) -> None:
    composed = rng.integers(100, 200, (1, 9, 9), dtype=np.uint16)
    painted = rng.random((9, 9), dtype=np.float32)
    share, low, span = np.array([1.0]), np.array([100.0]), np.array([2000.0])
    result = compose_painted(composed, painted, share=share, low=low, span=span)
    assert result.dtype == np.uint16
    assert np.abs(result[0] - (100 + 2000 * painted.astype(np.float64))).max() <= 0.51


def test_a_painted_image_keeps_colour_differences_and_alpha(rng: np.random.Generator) -> None:
    composed = rng.integers(50, 150, (4, 9, 9), dtype=np.uint8)
    share = np.array([0.2126, 0.7152, 0.0722, 0.0])
    grey = ((composed - 10.0) * share[:, None, None] / 200).sum(axis=0).astype(np.float32) + np.float32(0.1)
    result = compose_painted(composed, grey, share=share, low=np.full(4, 10.0), span=np.full(4, 200.0))
    assert np.abs(result[:3].astype(int) - composed[:3].astype(int) - 20).max() <= 1
    assert np.array_equal(result[3], composed[3])
