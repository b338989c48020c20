"""FAULTS rows on pixel values: odd sizes, bad values, full ranges, many types, misaligned planes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

import napari_swinfusion as nsf
from napari_swinfusion.decide.base import DeciderInfo, GreyPlanes, TileDecision
from napari_swinfusion.errors import InputError, ModelError
from napari_swinfusion.focal_stack import FocalStack
from napari_swinfusion.progress import CancelToken, ProgressCallback
from napari_swinfusion.tiling import Box

MODELS = ["tenengrad", "laplacian-pyramid", "mean"]


@pytest.fixture
def planes(rng: np.random.Generator) -> Any:
    texture = gaussian_filter(rng.standard_normal((64, 72)), 1)
    texture = 3000 + 300 * texture / texture.std()
    left = np.arange(72) < 36
    blurred = gaussian_filter(texture, 3)
    return np.stack([np.where(left, texture, blurred), blurred, np.where(left, blurred, texture)])


@given(height=st.integers(1, 40), width=st.integers(1, 40), model=st.sampled_from(MODELS))
@settings(max_examples=40)
def test_A12_odd_sizes_come_out_as_they_went_in(height: int, width: int, model: str) -> None:
    data = np.random.default_rng(height * 41 + width).integers(0, 255, (3, height, width), dtype=np.uint8)
    result = nsf.fuse(FocalStack(data=data, axes="ZYX"), model=model)
    assert result.image.shape == result.decision.shape == (height, width)
    assert result.image.dtype == np.uint8
    assert np.isfinite(result.confidence).all()
    assert np.isfinite(result.depth).all()


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("blend", ["soft", "hard"])
def test_A13_nan_and_infinity_are_counted_and_left_out(planes: Any, model: str, blend: Any) -> None:
    data = planes.astype(np.float32)
    data[0, 10, 10] = np.nan
    data[1, 20:23, 30:32] = np.inf
    data[2, 5, 60] = -np.inf
    data[:, 40, 40] = np.nan
    result = nsf.fuse(data, model=model, blend=blend)
    bad = ~np.isfinite(result.image)
    assert np.argwhere(bad).tolist() == [[40, 40]]
    assert np.isfinite(result.confidence).all()
    assert np.isfinite(result.depth).all()
    assert result.provenance["non_finite_pixels"] == [[2, 7, 2]]
    assert any("plane 0: 2, plane 1: 7, plane 2: 2" in notice for notice in result.notices)
    clean = nsf.fuse(planes.astype(np.float32), model=model, blend=blend)
    far = np.ones((64, 72), dtype=bool)
    for y, x in ((10, 10), (21, 31), (5, 60), (40, 40)):
        far[max(y - 16, 0) : y + 17, max(x - 16, 0) : x + 17] = False
    assert np.abs(result.image - clean.image)[far].max() < 0.1 * np.ptp(clean.image)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32", "bool"])
@pytest.mark.parametrize("value", [0, 1])
def test_A14_constant_in_is_constant_out(model: str, dtype: str, value: int) -> None:
    data = np.full((4, 21, 19), value, dtype=dtype)
    result = nsf.fuse(data, model=model)
    assert (result.image == data[0]).all()
    assert np.isfinite(result.confidence).all()
    assert np.isfinite(result.depth).all()


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("level", [0, 65535])
def test_A14_a_black_or_saturated_plane_is_left_out_and_told(planes: Any, model: str, level: int) -> None:
    data = planes.astype(np.uint16)
    data[1] = level
    result = nsf.fuse(data, model=model, keep_weights=True)
    without = nsf.fuse(planes[[0, 2]].astype(np.uint16), model="mean")
    assert result.weights is not None
    assert (result.weights[1] == 0).all()
    assert result.provenance["left_out_planes"] == [[1]]
    assert any("Planes 1 " in notice and "left out" in notice for notice in result.notices)
    assert abs(float(result.image.mean()) - float(without.image.mean())) < 30


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("level", [0, 65535])
def test_A14_a_plane_that_is_left_out_changes_nothing(planes: Any, model: str, level: int) -> None:
    data = planes.astype(np.uint16)
    whole = nsf.fuse(data, model=model, match_illumination=False)
    harmed = nsf.fuse(np.insert(data, 1, level, axis=0), model=model, match_illumination=False)
    np.testing.assert_array_equal(harmed.decision, whole.decision + (whole.decision >= 1))
    np.testing.assert_allclose(harmed.image.astype(float), whole.image, atol=1)
    np.testing.assert_allclose(harmed.confidence, whole.confidence, atol=1e-5)


@pytest.mark.parametrize("blend", ["soft", "hard"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_A15_full_range_is_clipped_never_wrapped(dtype: str, blend: Any, rng: np.random.Generator) -> None:
    top = np.iinfo(dtype).max
    scene = np.where(rng.random((64, 64)) < 0.5, top, int(top * 0.7))
    lamp = np.array([1.0, 0.9, 0.95, 1.0])
    data = (scene * lamp[:, None, None]).astype(dtype)
    result = nsf.fuse(data, model="mean", blend=blend)
    assert max(np.ptp(gains) for gains in np.array(result.provenance["gains"])) > 0.02
    assert result.image.dtype == dtype
    assert result.image.min() >= top * 0.6
    assert np.abs(result.image.astype(float) - scene * np.median(lamp)).max() < 0.05 * top
    white = nsf.fuse(np.full((3, 16, 16), top, dtype=dtype), model="mean", blend=blend)
    assert (white.image == top).all()


@pytest.mark.parametrize(
    "dtype", ["uint8", "uint16", "uint32", "int8", "int16", "int32", "int64", "float16", "float32", "float64"]
)
def test_A17_every_real_type_comes_back_as_itself(planes: Any, dtype: str) -> None:
    scale = 60 / 3000 if np.dtype(dtype).itemsize == 1 else 1.0
    data = (planes * scale).astype(dtype)
    result = nsf.fuse(data, model="tenengrad", match_illumination=False)
    assert result.image.dtype == dtype
    assert (result.image >= data.min(axis=0)).all()
    assert (result.image <= data.max(axis=0)).all()
    assert (result.decision[8:-8, :24] == 0).mean() > 0.9
    assert (result.decision[8:-8, -24:] == 2).mean() > 0.9


def test_A17_bool_is_fused_by_majority_with_a_notice(planes: Any) -> None:
    result = nsf.fuse(planes > 3000, model="mean")
    assert result.image.dtype == bool
    assert np.array_equal(result.image, (planes > 3000).mean(axis=0) >= 0.5)
    assert any("true and false" in notice for notice in result.notices)


def test_A17_64_bit_integers_come_with_a_notice_on_their_precision(planes: Any) -> None:
    result = nsf.fuse(planes.astype(np.int64), model="mean")
    assert any("2^53" in notice for notice in result.notices)


def test_A17_complex_pixels_are_an_error_that_says_what_to_do() -> None:
    with pytest.raises(InputError, match="magnitude"):
        nsf.fuse(np.zeros((3, 8, 8), dtype=complex))


@pytest.mark.parametrize("dtype", [">u2", ">i4", ">f4", ">f8"])
def test_A18_big_endian_gives_the_same_as_native(planes: Any, dtype: str) -> None:
    native = nsf.fuse(planes.astype(np.dtype(dtype).newbyteorder("=")), model="tenengrad")
    foreign = nsf.fuse(planes.astype(dtype), model="tenengrad")
    assert foreign.image.dtype.isnative
    assert np.array_equal(foreign.image, native.image)
    assert np.array_equal(foreign.decision, native.decision)


def test_A19_colours_share_a_decision_and_alpha_is_kept(planes: Any) -> None:
    alpha = np.full(planes.shape, 200.0)
    alpha[:, :, :10] = 90
    rgba = np.stack([planes / 20, planes / 22, planes / 24, alpha], axis=-1).astype(np.uint8)
    result = nsf.fuse(rgba, model="tenengrad", blend="hard")
    assert result.axes == "YXS"
    assert result.image.shape == (64, 72, 4)
    assert result.decision_axes == "YX"
    assert np.array_equal(result.image[..., 3], rgba[0, ..., 3])
    alone = nsf.fuse(rgba[..., :3], model="tenengrad", blend="hard")
    assert np.array_equal(result.decision, alone.decision)


def test_A19_channels_and_time_points_are_kept(planes: Any) -> None:
    data = np.stack([np.stack([planes, planes * 2]), np.stack([planes[::-1], planes[::-1] * 2])]).astype(np.uint16)
    result = nsf.fuse(FocalStack(data=data, axes="TCZYX"), model="tenengrad")
    assert result.image.shape == (2, 2, 64, 72)
    assert result.decision.shape == (2, 64, 72)
    assert (result.decision[0, 8:-8, :24] == 0).mean() > 0.9
    assert (result.decision[1, 8:-8, :24] == 2).mean() > 0.9
    assert np.abs(result.image[:, 1].astype(float) - 2 * result.image[:, 0]).max() <= 4


class _Broken:
    """A decider whose half precision ran over."""

    info = DeciderInfo(name="half", summary="")

    def decide(
        self, planes: GreyPlanes, *, progress: ProgressCallback | None = None, cancel: CancelToken | None = None
    ) -> Iterator[TileDecision]:
        weights = np.full((planes.n_planes, planes.height, planes.width), 0.5, dtype=np.float32)
        weights[0, 3, 3] = np.nan
        yield TileDecision(box=Box(0, planes.height, 0, planes.width), weights=weights)


def test_B12_weights_that_are_not_finite_are_an_error_not_a_black_image(planes: Any) -> None:
    with pytest.raises(ModelError, match="'half' answered with values that are not finite"):
        nsf.fuse(planes, model=_Broken())


def test_A10_one_plane_is_told(planes: Any) -> None:
    with pytest.raises(InputError, match="at least 2 planes"):
        nsf.fuse(planes[:1], model="mean")


def test_B19_a_shift_is_measured_warned_of_and_mended(rng: np.random.Generator) -> None:
    texture = gaussian_filter(rng.standard_normal((120, 140)), 1.5)
    texture = 2000 + 400 * texture / texture.std()
    shifts = [(0, 0), (1, -2), (3, -4), (4, -6)]
    data = np.stack([texture[10 + dy : 106 + dy, 10 + dx : 130 + dx] for dy, dx in shifts]).astype(np.uint16)
    off = nsf.fuse(data, model="mean")
    warning = [notice for notice in off.notices if "shifted by up to" in notice]
    assert len(warning) == 1
    assert "register='translation'" in warning[0]
    assert (np.array(off.provenance["shifts"]) == 0).all()
    mended = nsf.fuse(data, model="mean", register="translation")
    expected = np.array(shifts) - shifts[2]
    assert np.array_equal(mended.provenance["shifts"][0], expected)
    assert not any("shifted by up to" in notice for notice in mended.notices)
    inner = (slice(12, -12), slice(12, -12))
    assert np.abs(mended.image[inner].astype(float) - data[2][inner]).max() <= 12
    assert np.abs(off.image[inner].astype(float) - data[2][inner]).max() > 200
    # Bare borders take nothing from the plane that does not reach there.
    assert np.abs(mended.image.astype(float) - data[2]).max() <= 40
