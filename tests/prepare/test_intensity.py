"""Grey levels: one scale for the stack, robust to hot pixels and to small objects, never a division by zero."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from napari_swinfusion.errors import InputError
from napari_swinfusion.focal_stack import FocalStack, SpatialMetadata
from napari_swinfusion.prepare import PreparedStack, prepare
from napari_swinfusion.tiling import Box


@pytest.fixture
def planes(rng: np.random.Generator) -> NDArray[np.float64]:
    texture = gaussian_filter(rng.standard_normal((4, 120, 150)), (0, 2, 2))
    return 10000 + 500 * texture / texture.std()


def prepared(planes: NDArray[Any], axes: str = "ZYX", **options: Any) -> PreparedStack:
    return prepare(FocalStack.from_array(planes, axes), match_illumination=False, **options)


def grey(ready: PreparedStack) -> NDArray[np.float32]:
    return ready.grey(ready.stack.whole)


def test_most_of_a_stack_lies_between_0_and_1_and_nothing_is_clipped(planes: NDArray[np.float64]) -> None:
    planes[2, 50:52, 50:52] = 60000
    values = grey(prepared(planes.astype(np.uint16)))
    assert values.dtype == np.float32
    assert np.mean((values >= 0) & (values <= 1)) > 0.99
    assert np.percentile(values, 1) < 0.2
    assert np.percentile(values, 99) > 0.7
    assert values.max() > 5


@pytest.mark.parametrize("share", [0.001, 0.01])
def test_hot_pixels_do_not_stretch_the_scale(
    planes: NDArray[np.float64], rng: np.random.Generator, share: float
) -> None:
    clean = prepared(planes.astype(np.uint16))
    planes[rng.random(planes.shape) < share] = 65535
    hot = prepared(planes.astype(np.uint16))
    assert hot.scale.span[0] == pytest.approx(clean.scale.span[0], rel=0.1)


def test_objects_on_one_percent_of_the_image_set_the_scale(rng: np.random.Generator) -> None:
    planes = rng.normal(100, 3, (5, 200, 200))
    planes[:, 90:110, 90:110] = 2000
    values = grey(prepared(planes.astype(np.uint16)))
    assert values[:, 95:105, 95:105].mean() == pytest.approx(1, abs=0.05)
    assert np.abs(values[:, :80]).max() < 0.05


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64", "bool"])
def test_a_constant_stack_is_grey_0(dtype: str) -> None:
    values = grey(prepared(np.ones((3, 20, 30), dtype=dtype)))
    assert (values == 0).all()


def test_a_few_true_pixels_in_a_dark_stack_still_count() -> None:
    planes = np.zeros((3, 100, 100), dtype=bool)
    planes[1, 50, 50] = True
    values = grey(prepared(planes))
    assert values.max() == 1
    assert values.min() == 0


def test_wide_types_keep_small_differences_on_a_large_offset(rng: np.random.Generator) -> None:
    texture = rng.random((3, 40, 40))
    reference = grey(prepared(texture))
    assert np.allclose(grey(prepared(texture + 1e9)), reference, atol=1e-4)
    assert np.allclose(grey(prepared((texture * 1000).round().astype(np.int32) + 2_000_000_000)), reference, atol=0.01)


def test_a_box_of_one_plane_is_the_same_as_all(planes: NDArray[np.float64]) -> None:
    ready = prepared(planes.astype(np.uint16))
    box = Box(10, 33, 7, 91)
    assert np.array_equal(ready.grey(box, 2)[0], grey(ready)[2, 10:33, 7:91])


def test_colours_decide_by_luminance_and_alpha_does_not(planes: NDArray[np.float64]) -> None:
    rgb = np.stack([planes, planes[:, ::-1], planes[:, :, ::-1]], axis=-1)
    alpha = np.random.default_rng(1).uniform(0, 65535, planes.shape)
    rgba = np.concatenate([rgb, alpha[..., None]], axis=-1)
    assert np.allclose(grey(prepared(rgba, "ZYXS")), grey(prepared(rgb, "ZYXS")))
    luminance = rgb @ [0.2126, 0.7152, 0.0722]
    assert np.allclose(grey(prepared(rgb, "ZYXS")), grey(prepared(luminance)), atol=1e-4)


def test_channels_decide_together_or_by_index_or_by_name(planes: NDArray[np.float64]) -> None:
    channels = np.stack([planes, 50 * planes[:, ::-1]])
    stack = FocalStack(data=channels, axes="CZYX", metadata=SpatialMetadata(channel_names=("DAPI", "GFP")))
    both, second = prepare(stack), prepare(stack, decide_on=1)
    first = prepare(stack, decide_on=0)
    assert np.allclose(grey(both), (grey(first) + grey(second)) / 2, atol=1e-5)
    assert np.array_equal(grey(prepare(stack, decide_on="GFP")), grey(second))
    with pytest.raises(InputError, match=r"no channel 'RFP'.*0, 1, DAPI, GFP"):
        prepare(stack, decide_on="RFP")
    with pytest.raises(InputError, match="no channel 2"):
        prepare(stack, decide_on=2)


def test_an_empty_channel_does_not_halve_the_contrast(planes: NDArray[np.float64]) -> None:
    channels = np.stack([planes, np.zeros_like(planes)])
    assert np.allclose(grey(prepared(channels, "CZYX")), grey(prepared(planes)), atol=1e-5)


def test_gains_are_folded_into_grey(planes: NDArray[np.float64]) -> None:
    drifting = planes[:1] * np.array([1.0, 0.9, 1.1, 1.0])[:, None, None]
    matched = grey(prepare(FocalStack.from_array(drifting)))
    as_taken = grey(prepared(drifting))
    assert np.abs(matched - matched[0]).max() < 0.02
    assert np.abs(as_taken - as_taken[0]).max() > 0.2
