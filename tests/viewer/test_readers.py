from __future__ import annotations

import numpy as np
import pytest
import tifffile

from napari_swinfusion.errors import LoadError
from napari_swinfusion.focal_stack import FocalStack, SpatialMetadata
from napari_swinfusion.io import write_stack
from napari_swinfusion.viewer.readers import get_reader, layer_data_of, read


def test_only_tiff_files_are_read():
    assert get_reader("a/stack.OME.TIFF") is read
    assert get_reader(["z1.tif", "z2.tif"]) is read
    assert get_reader(["z1.tif", "z2.png"]) is None
    assert get_reader("stack.czi") is None


def test_scale_units_and_axes_survive(tmp_path, scene):
    path = write_stack(scene.stack, tmp_path / "slope.ome.tif")
    ((data, arguments, kind),) = get_reader(str(path))(str(path))
    np.testing.assert_array_equal(data, scene.stack.data)
    assert kind == "image"
    assert arguments["axis_labels"] == ("z", "y", "x")
    assert arguments["scale"] == (4.0, 0.5, 0.5)
    assert arguments["units"] == ("µm", "µm", "µm")
    assert not arguments["rgb"]


def test_an_imagej_stack_of_three_planes_is_no_colour_image(tmp_path):
    path = tmp_path / "three.tif"
    planes = np.arange(3 * 20 * 30, dtype="uint8").reshape(3, 20, 30)
    tifffile.imwrite(
        path, planes, imagej=True, resolution=(2.0, 2.0), metadata={"axes": "ZYX", "spacing": 3, "unit": "um"}
    )
    ((data, arguments, _),) = read(str(path))
    assert data.shape == (3, 20, 30)
    assert (arguments["scale"], arguments["rgb"]) == ((3.0, 0.5, 0.5), False)


def test_a_single_plane_becomes_a_plane_layer(tmp_path):
    path = tmp_path / "plane.tif"
    tifffile.imwrite(path, np.zeros((20, 30), "uint16"))
    ((data, arguments, _),) = read(str(path))
    assert data.shape == (20, 30)
    assert arguments["axis_labels"] == ("y", "x")


def test_several_files_are_the_planes_of_one_stack(tmp_path):
    paths = [str(tmp_path / f"plane{i}.tif") for i in (1, 2, 10)]
    for value, path in enumerate(paths):
        tifffile.imwrite(path, np.full((20, 30), value, "uint8"))
    ((data, _, _),) = read(paths)
    assert [int(plane[0, 0]) for plane in data] == [0, 1, 2]


def test_a_damaged_file_is_told(tmp_path):
    path = tmp_path / "broken.tif"
    path.write_bytes(b"no picture at all")
    with pytest.raises(LoadError, match=r"broken\.tif"):
        read(str(path))


def test_time_and_channels_have_units_of_their_own():
    metadata = SpatialMetadata(pixel_size=(0.5, 0.5), z_step=2.0, time_step=30.0)
    stack = FocalStack(data=np.zeros((2, 3, 4, 8, 8), "uint8"), axes="TCZYX", metadata=metadata)
    _, arguments, _ = layer_data_of(stack)
    assert arguments["scale"] == (30.0, 1.0, 2.0, 0.5, 0.5)
    assert arguments["units"] == ("s", "pixel", "µm", "µm", "µm")


def test_napari_opens_a_stack_that_the_dock_can_fuse(make_dock, run_to_end, tmp_path, scene):
    path = write_stack(scene.stack, tmp_path / "slope.ome.tif")
    dock = make_dock()
    (layer,) = dock._viewer.open(str(path), plugin="napari-swinfusion")
    assert [str(unit) for unit in layer.units] == ["micrometer"] * 3
    run_to_end(dock)
    fused = dock._viewer.layers[f"{layer.name} [fused]"]
    assert tuple(fused.scale) == (0.5, 0.5)


def test_a_real_stack_opens(real_data):
    path = next(iter(sorted(real_data.glob("zstack_microtubules*/*.tif"))), None)
    if path is None:
        pytest.skip("there is no TIFF of the microtubules in the real images")
    ((data, arguments, _),) = read(str(path))
    assert data.ndim == len(arguments["axis_labels"])
    assert data.dtype == np.uint16
