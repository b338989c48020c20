from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from napari_swinfusion.errors import AxesError, InputError
from napari_swinfusion.tiling import Box
from napari_swinfusion.viewer.placement import Placement
from napari_swinfusion.viewer.request import LayerView, Options, Region, resolve


def view(shape=(5, 8, 9), *, labels=None, rgb=False, dtype="uint16", name="stack", scale=None, units=None):
    data = np.arange(np.prod(shape), dtype=dtype).reshape(shape)
    n = len(shape) - rgb
    place = Placement.plain(labels or tuple(str(i) for i in range(-n, 0)))
    if scale is not None:
        place = dataclasses.replace(place, scale=scale, units=units)
    return LayerView(key=name, name=name, data=data, placement=place, rgb=rgb)


@pytest.mark.parametrize(
    ("layer", "typed", "axes"),
    [
        (view(), "", "ZYX"),
        (view((5, 8, 9, 3), rgb=True), "", "ZYXS"),
        (view((2, 5, 8, 9), labels=("t", "z", "y", "x")), "", "TZYX"),
        (view((2, 5, 8, 9), labels=("Channel", "Depth", "row", "column")), "", "CZYX"),
        (view((8, 9, 5), labels=("y", "x", "z")), "", "YXZ"),
        (view((2, 5, 8, 9)), "czyx", "CZYX"),
        (view((5, 8, 9, 3)), "ZYXS", "ZYXS"),
        (view((2, 5, 8, 9), labels=("t", "z", "y", "x")), "CZYX", "CZYX"),
    ],
)
def test_axes_come_from_the_user_then_the_labels_then_the_dimensions(layer, typed, axes):
    assert resolve([layer], Options(), axes=typed).axes == axes


@pytest.mark.parametrize(
    ("layers", "typed", "reason"),
    [
        ([], "", "Open a z-stack"),
        ([view((8, 9))], "", "single plane"),
        ([view((1, 8, 9))], "", "at least two"),
        ([view((0, 8, 9))], "", "no planes"),
        ([view((2, 5, 8, 9))], "", "not named"),
        ([view()], "ZY", "name 2 dimensions"),
        ([view()], "QYX", "distinct letters"),
        ([view()], "CYX", "lack Z"),
        ([view((3, 5, 8, 9))], "SZYX", "last axis"),
        ([view(dtype="complex64")], "", "real numbers"),
        ([view((8, 9), name="a"), view((8, 7), name="b")], "", r"'a': \(8, 9\) uint16; 'b': \(8, 7\)"),
        ([view((8, 9), name="a"), view((8, 9), name="b", dtype="uint8")], "", "differ in size or type"),
        ([view((8, 9), name="a"), view((8, 9), name="a")], "", "same layer"),
        ([view(name="a"), view(name="b")], "", "not named"),
        ([view(name="a", labels=("z", "y", "x")), view(name="b", labels=("z", "y", "x"))], "", "a z-stack itself"),
    ],
)
def test_what_cannot_be_fused_is_refused_with_the_reason(layers, typed, reason):
    with pytest.raises(InputError, match=reason):
        resolve(layers, Options(), axes=typed)


def test_axes_that_contradict_the_data_are_axes_errors():
    with pytest.raises(AxesError):
        resolve([view()], Options(), axes="TZYX")


def test_a_channel_that_is_not_there_is_refused():
    layer = view((2, 5, 8, 9), labels=("c", "z", "y", "x"))
    assert resolve([layer], Options(decide_on=1)).options.decide_on == 1
    with pytest.raises(InputError, match="no channel 2"):
        resolve([layer], Options(decide_on=2))


def test_two_planes_become_a_stack_in_the_given_order():
    first, second = view((8, 9), name="upper"), view((8, 9), name="lower")
    request = resolve([first, second], Options())
    stack = request.open()
    assert (request.axes, request.name, request.shape) == ("ZYX", "upper + lower", (2, 8, 9))
    np.testing.assert_array_equal(stack.data, np.stack([first.data, second.data]))


def test_two_colour_planes_become_a_colour_stack():
    rng = np.random.default_rng(0)
    layers = [
        dataclasses.replace(
            view((8, 9, 3), rgb=True, name=name, dtype="uint8"), data=rng.integers(0, 255, (8, 9, 3), "u1")
        )
        for name in "ab"
    ]
    assert resolve(layers, Options()).open().axes == "ZYXS"


def test_a_preview_opens_its_region_only():
    layer = view((3, 5, 8, 9), labels=("t", "z", "y", "x"))
    request = dataclasses.replace(resolve([layer], Options()), region=Region(box=Box(2, 6, 1, 4), time=2))
    np.testing.assert_array_equal(request.open().data, layer.data[2:3, :, 2:6, 1:4])


def test_pixel_size_and_units_reach_the_stack():
    layer = view(scale=(4.0, 0.5, 0.25), units=("micrometer",) * 3)
    metadata = resolve([layer], Options()).open().metadata
    assert (metadata.pixel_size, metadata.z_step, metadata.unit) == ((0.5, 0.25), 4.0, "µm")


def test_pixels_are_no_length():
    assert resolve([view()], Options()).open().metadata.pixel_size is None


def test_a_request_cannot_be_changed():
    request = resolve([view()], Options())
    with pytest.raises(dataclasses.FrozenInstanceError):
        request.axes = "TYX"


def test_the_summary_says_what_will_be_fused():
    layer = view((3, 5, 8, 9), labels=("t", "z", "y", "x"))
    assert resolve([layer], Options()).summary() == "5 planes · 9 × 8 px · 3 times · uint16"
