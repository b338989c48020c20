"""FocalStack: any axes order and pixel type becomes one stack, read box by box and assembled back."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_swinfusion.errors import AxesError, InputError
from napari_swinfusion.focal_stack import AXES, FocalStack, guess_axes
from napari_swinfusion.tiling import Box

SIZES = {"T": 2, "C": 3, "Z": 4, "Y": 5, "X": 6, "S": 3}


def numbered(axes: str) -> np.ndarray[Any, Any]:
    """An array whose values name their own place: one decimal digit an axis of AXES."""
    total = np.zeros([SIZES[axis] for axis in axes], dtype=np.int32)
    for dimension, axis in enumerate(axes):
        shape = [1] * len(axes)
        shape[dimension] = -1
        total += np.arange(SIZES[axis]).reshape(shape) * 10 ** AXES.index(axis)
    return total


def digit(values: np.ndarray[Any, Any], axis: str) -> np.ndarray[Any, Any]:
    return values // 10 ** AXES.index(axis) % 10


@pytest.mark.parametrize(
    "axes", ["".join(p) for p in permutations("ZYX")] + ["TCZYXS", "ZCYX", "YXCZ", "SXYZCT", "TZYX"]
)
def test_every_order_of_axes_reads_as_planes_of_channels(axes: str) -> None:
    stack = FocalStack(data=numbered(axes), axes=axes)
    channels, samples = stack.size("C"), stack.size("S")
    for time in range(stack.n_times):
        volume = stack.read(time)
        assert volume.shape == (4, channels * samples, 5, 6)
        z, k, y, x = np.indices(volume.shape)
        for axis, index in (("Z", z), ("Y", y), ("X", x), ("C", k // samples), ("S", k % samples)):
            expected = index if axis in axes else 0
            assert (digit(volume, axis) == expected).all()
        assert (digit(volume, "T") == (time if "T" in axes else 0)).all()


def test_a_box_of_one_plane_is_part_of_the_whole() -> None:
    stack = FocalStack(data=numbered("CYXZ"), axes="CYXZ")
    assert np.array_equal(stack.read(box=Box(1, 4, 2, 6), plane=3), stack.read()[3:4, :, 1:4, 2:6])


@pytest.mark.parametrize("axes", ["ZYX", "XZY", "TCZYXS", "SXYZCT", "ZYXS", "CYXZ", "TZYX"])
def test_assembling_undoes_reading(axes: str) -> None:
    stack = FocalStack(data=numbered(axes), axes=axes)
    first = [stack.read(time, plane=0)[0] for time in range(stack.n_times)]
    expected = np.take(np.asarray(stack.data), 0, axis=axes.index("Z"))
    assert np.array_equal(stack.assemble(first), expected)
    flat = [volume[0] for volume in first]
    maps = stack.assemble(flat, drop="ZCS")
    assert maps.shape == tuple(SIZES[axis] for axis in axes if axis in "TYX")
    per_channel = [volume[:: stack.size("S")] for volume in first]
    each = stack.assemble(per_channel, drop="ZS")
    assert each.shape == tuple(SIZES[axis] for axis in axes if axis in "TCYX")


@given(height=st.integers(1, 40), width=st.integers(1, 40), n=st.integers(1, 5), order=st.permutations("ZYX"))
def test_any_size_survives_the_round(height: int, width: int, n: int, order: list[str]) -> None:
    axes = "".join(order)
    sizes = {"Z": n, "Y": height, "X": width}
    data = np.arange(n * height * width).reshape([sizes[axis] for axis in axes])
    stack = FocalStack(data=data, axes=axes)
    assert (stack.n_planes, stack.height, stack.width) == (n, height, width)
    assert np.array_equal(stack.assemble([stack.read(plane=n - 1)[0]]), np.take(data, n - 1, axis=axes.index("Z")))


@pytest.mark.parametrize("dtype", [">u2", "<u2", ">f4", ">i4"])
def test_byte_order_is_made_native_at_the_border(dtype: str) -> None:
    data = np.arange(24, dtype=dtype).reshape(2, 3, 4)
    stack = FocalStack.from_array(data)
    assert stack.dtype.isnative
    assert stack.read().dtype == stack.dtype
    assert np.array_equal(stack.read()[:, 0], data)


def test_reading_never_writes_to_what_was_given() -> None:
    data = np.zeros((2, 3, 4))
    data.flags.writeable = False
    assert (FocalStack.from_array(data).read() == 0).all()


@pytest.mark.parametrize(
    ("axes", "shape", "message"),
    [
        ("ZYX", (3, 4), "name 3 dimensions, but the data has 2"),
        ("ZYXQ", (3, 4, 5, 6), "letters of TCZYXS"),
        ("ZZYX", (3, 3, 4, 5), "distinct"),
        ("TYX", (3, 4, 5), "lack Z"),
    ],
)
def test_impossible_axes_are_told(axes: str, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(AxesError, match=message):
        FocalStack(data=np.zeros(shape), axes=axes)


def test_axes_are_guessed_only_where_that_is_no_gamble() -> None:
    assert guess_axes((7, 64, 64)) == "ZYX"
    assert guess_axes((7, 64, 64, 3)) == "ZYXS"
    for shape in ((64, 64, 3), (3, 7, 64, 64), (64, 64)):
        with pytest.raises(AxesError):
            guess_axes(shape)


def test_equal_colours_collapse_to_grey_and_say_so() -> None:
    grey = np.random.default_rng(0).integers(0, 255, (3, 8, 9), dtype=np.uint8)
    stack = FocalStack.from_array(grey[..., None].repeat(3, axis=-1))
    assert stack.axes == "ZYX"
    assert np.array_equal(stack.data, grey)
    assert "grey" in stack.notices[0]
    coloured = grey[..., None].repeat(3, axis=-1)
    coloured[2, 7, 8, 1] ^= 1
    assert FocalStack.from_array(coloured).axes == "ZYXS"


def test_planes_that_differ_are_listed() -> None:
    with pytest.raises(InputError, match=r"plane 0: \(4, 5\) uint8; plane 1: \(4, 6\) uint8"):
        FocalStack.from_planes([np.zeros((4, 5), np.uint8), np.zeros((4, 6), np.uint8)])
    with pytest.raises(InputError, match="no planes"):
        FocalStack.from_planes([])
