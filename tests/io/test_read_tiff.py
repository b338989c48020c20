"""Every flavour of TIFF becomes the same stack, with its scale, names and axes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

import napari_swinfusion.io.tiff as tiff_room
from napari_swinfusion.errors import AxesError
from napari_swinfusion.io import read_stack


@pytest.fixture
def planes(rng: np.random.Generator) -> NDArray[np.uint16]:
    """Return six planes that differ everywhere."""
    return rng.integers(0, 65536, (6, 24, 32), dtype=np.uint16)


def test_ome_tiff_keeps_scale_time_and_channel_names(tmp_path: Path, rng: np.random.Generator) -> None:
    path = tmp_path / "two times.ome.tif"
    data = rng.integers(0, 255, (2, 4, 3, 16, 20), dtype=np.uint8)
    metadata = {
        "axes": "TZCYX",
        "PhysicalSizeX": 250.0,
        "PhysicalSizeXUnit": "nm",
        "PhysicalSizeY": 0.5,
        "PhysicalSizeY" + "Unit": "µm",
        "PhysicalSizeZ": 0.002,
        "PhysicalSizeZUnit": "mm",
        "TimeIncrement": 2.0,
        "TimeIncrementUnit": "min",
        "Channel": {"Name": ["DAPI", "actin", "tubulin"]},
    }
    tifffile.imwrite(path, data, metadata=metadata, photometric="minisblack")
    stack = read_stack(path)
    assert (stack.axes, stack.name, stack.source) == ("TZCYX", "two times", str(path))
    np.testing.assert_array_equal(np.asarray(stack.data), data)
    assert stack.metadata.pixel_size == pytest.approx((0.5, 0.25))
    assert stack.metadata.z_step == pytest.approx(2.0)
    assert (stack.metadata.time_step, stack.metadata.time_unit) == (120.0, "s")
    assert stack.metadata.channel_names == ("DAPI", "actin", "tubulin")


def test_imagej_tiff_keeps_scale_spacing_and_interval(tmp_path: Path, planes: NDArray[np.uint16]) -> None:
    path = tmp_path / "imagej.tif"
    metadata = {"axes": "ZYX", "spacing": 2.5, "unit": "\\u00B5m", "finterval": 3.0}
    tifffile.imwrite(path, planes, imagej=True, metadata=metadata, resolution=(4.0, 2.0))
    stack = read_stack(path)
    assert stack.axes == "ZYX"
    assert stack.metadata.pixel_size == pytest.approx((0.5, 0.25))
    assert (stack.metadata.z_step, stack.metadata.time_step) == (2.5, 3.0)
    assert stack.notices == ()


def test_imagej_channels_and_planes_are_told_apart(tmp_path: Path, rng: np.random.Generator) -> None:
    data = rng.integers(0, 65536, (5, 2, 16, 20), dtype=np.uint16)
    tifffile.imwrite(tmp_path / "hyper.tif", data, imagej=True, metadata={"axes": "ZCYX"})
    stack = read_stack(tmp_path / "hyper.tif")
    assert (stack.axes, stack.n_planes, stack.size("C")) == ("ZCYX", 5, 2)


def test_plain_pages_are_planes_and_say_so(tmp_path: Path, planes: NDArray[np.uint16]) -> None:
    path = tmp_path / "plain.tif"
    tifffile.imwrite(path, planes, metadata=None, resolution=(4000.0, 2000.0), resolutionunit="CENTIMETER")
    stack = read_stack(path)
    np.testing.assert_array_equal(np.asarray(stack.data), planes)
    assert stack.axes == "ZYX"
    assert stack.metadata.pixel_size == pytest.approx((5.0, 2.5))
    assert any("carry no label" in notice for notice in stack.notices)


def test_compressed_rgb_pages_stay_in_colour(tmp_path: Path, rng: np.random.Generator) -> None:
    data = rng.integers(0, 255, (3, 16, 20, 3), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "rgb.tif", data, photometric="rgb", compression="lzw", metadata=None)
    stack = read_stack(tmp_path / "rgb.tif")
    assert stack.axes == "ZYXS"
    np.testing.assert_array_equal(np.asarray(stack.data), data)


def test_equal_colour_samples_become_grey(tmp_path: Path, rng: np.random.Generator) -> None:
    grey = rng.integers(0, 255, (3, 16, 20), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "rgb.tif", np.stack([grey] * 3, axis=-1), photometric="rgb", metadata=None)
    stack = read_stack(tmp_path / "rgb.tif")
    assert stack.axes == "ZYX"
    np.testing.assert_array_equal(np.asarray(stack.data), grey)
    assert any("equal" in notice for notice in stack.notices)


def test_separate_images_of_one_size_are_planes(tmp_path: Path, planes: NDArray[np.uint16]) -> None:
    with tifffile.TiffWriter(tmp_path / "separate.tif") as writer:
        for plane in planes:
            writer.write(plane, contiguous=False)
    stack = read_stack(tmp_path / "separate.tif")
    np.testing.assert_array_equal(np.asarray(stack.data), planes)
    assert any("6 separate images" in notice for notice in stack.notices)


def test_given_axes_win_and_are_noted(tmp_path: Path, planes: NDArray[np.uint16]) -> None:
    tifffile.imwrite(tmp_path / "swapped.ome.tif", planes, metadata={"axes": "TYX"})
    stack = read_stack(tmp_path / "swapped.ome.tif", axes="ZYX")
    assert (stack.axes, stack.n_planes) == ("ZYX", 6)
    assert any("says TYX" in notice for notice in stack.notices)
    with pytest.raises(AxesError, match="dimensions"):
        read_stack(tmp_path / "swapped.ome.tif", axes="CZYX")


def test_large_uncompressed_data_is_mapped_not_read(
    tmp_path: Path, planes: NDArray[np.uint16], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiff_room, "LAZY_BYTES", 1)
    tifffile.imwrite(tmp_path / "big.tif", planes, metadata={"axes": "ZYX"}, byteorder=">")
    stack = read_stack(tmp_path / "big.tif")
    assert isinstance(stack.data, np.memmap)
    np.testing.assert_array_equal(stack.read(plane=4)[0, 0], planes[4])
    assert stack.read(plane=4).dtype.isnative
