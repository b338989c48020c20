"""What is written is read back the same: pixels, type, axes, scale, names and provenance."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_swinfusion.errors import InputError, LoadError, OutputExistsError, SaveError
from napari_swinfusion.focal_stack import FocalStack, FusedImage, SpatialMetadata
from napari_swinfusion.io import free_name, read_provenance, read_stack, write_fused, write_stack

METADATA = SpatialMetadata(pixel_size=(0.5, 0.25), z_step=2.0, time_step=30.0, channel_names=("DAPI", "aktin µ"))
PROVENANCE = {"version": "0.1.0", "model": {"name": "mean <&>"}, "gains": [1.0, 1.5], "unit": "µm"}


def fused(shape: tuple[int, ...], axes: str, dtype: str = "uint16", **fields: Any) -> FusedImage:
    """Return a result with different values everywhere."""
    rng = np.random.default_rng(3)
    image = (rng.random(shape) * 250).astype(dtype) if dtype != "bool" else rng.random(shape) > 0.5
    decision_axes = "".join(axis for axis in axes if axis not in "CS")
    map_shape = tuple(size for size, axis in zip(shape, axes, strict=True) if axis not in "CS")
    return FusedImage(
        image=image,
        decision=rng.integers(0, 11, map_shape).astype(np.uint8),
        confidence=rng.random(map_shape, dtype=np.float32),
        depth=10 * rng.random(map_shape, dtype=np.float32),
        provenance=PROVENANCE,
        axes=axes,
        decision_axes=decision_axes,
        **fields,
    )


@pytest.mark.parametrize(
    ("axes", "shape"),
    [
        ("YX", (9, 14)),
        ("CYX", (2, 9, 14)),
        ("CYX", (3, 9, 14)),
        ("TCYX", (4, 2, 9, 14)),
        ("YXS", (9, 14, 3)),
        ("YXS", (9, 14, 4)),
        ("YXS", (9, 14, 2)),
        ("TYXS", (3, 9, 14, 4)),
    ],
)
def test_every_shape_comes_back(tmp_path: Path, axes: str, shape: tuple[int, ...]) -> None:
    result = fused(shape, axes)
    write_fused(result, tmp_path / "fused.ome.tif")
    with tifffile.TiffFile(tmp_path / "fused.ome.tif") as tif:
        assert tif.is_ome
        assert tif.series[0].axes == axes
        np.testing.assert_array_equal(tif.series[0].asarray(), result.image)


def test_unusual_axis_order_is_written_in_the_order_of_ome(tmp_path: Path) -> None:
    result = fused((9, 14, 2), "YXC")
    write_fused(result, tmp_path / "fused.ome.tif")
    with tifffile.TiffFile(tmp_path / "fused.ome.tif") as tif:
        assert tif.series[0].axes == "CYX"
        np.testing.assert_array_equal(tif.series[0].asarray(), np.moveaxis(result.image, -1, 0))


@pytest.mark.parametrize(
    "dtype",
    ["bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float16", "float32", "float64"],
)
def test_every_pixel_type_comes_back(tmp_path: Path, dtype: str) -> None:
    result = fused((2, 9, 14), "CYX", dtype)
    write_fused(result, tmp_path / "fused.tif")
    back = tifffile.imread(tmp_path / "fused.tif")
    assert back.dtype == result.image.dtype
    np.testing.assert_array_equal(back, result.image)
    assert read_provenance(tmp_path / "fused.tif") == PROVENANCE


def test_scale_names_and_provenance_come_back(tmp_path: Path) -> None:
    result = fused((3, 2, 9, 14), "TCYX", metadata=METADATA, name="well A1")
    (path,) = write_fused(result, tmp_path / "fused.ome.tif")
    assert read_stack(path, axes="ZCYX").metadata == METADATA
    assert read_provenance(path) == PROVENANCE
    with tifffile.TiffFile(path) as tif:
        assert 'Name="well A1 [fused]"' in str(tif.ome_metadata)
        # Programs that know no OME find the pixel size in the tags: pixels per centimetre, x before y.
        x, y = (tif.pages.first.tags[name].value for name in ("XResolution", "YResolution"))
        assert (x[0] / x[1], y[0] / y[1]) == pytest.approx((40000.0, 20000.0))


def test_lengths_are_written_in_micrometres_whatever_they_were(tmp_path: Path) -> None:
    metadata = SpatialMetadata(pixel_size=(250.0, 250.0), z_step=1000.0, unit="nm", time_step=2.0, time_unit="min")
    (path,) = write_fused(fused((9, 14), "YX", metadata=metadata), tmp_path / "fused.ome.tif")
    back = read_stack(path).metadata
    assert back.pixel_size == pytest.approx((0.25, 0.25))
    assert (back.z_step, back.unit) == (1.0, "µm")
    assert (back.time_step, back.time_unit) == (120.0, "s")


def test_all_four_files_are_written_and_named(tmp_path: Path) -> None:
    result = fused((9, 14, 3), "YXS", "uint8")
    names = [tmp_path / name for name in ("f.ome.tif", "d.ome.tif", "c.ome.tif", "z.ome.tif")]
    assert write_fused(result, names[0], decision=names[1], confidence=names[2], depth=names[3]) == names
    np.testing.assert_array_equal(tifffile.imread(names[1]), result.decision)
    np.testing.assert_array_equal(tifffile.imread(names[2]), result.confidence)
    np.testing.assert_array_equal(tifffile.imread(names[3]), result.depth)
    assert all(read_provenance(name) == PROVENANCE for name in names)
    assert sorted(tmp_path.iterdir()) == sorted(names)


@pytest.mark.parametrize(("axes", "shape"), [("ZYX", (5, 9, 14)), ("CZYX", (2, 5, 9, 14)), ("TZYXS", (2, 3, 9, 14, 3))])
def test_a_whole_stack_comes_back(tmp_path: Path, rng: np.random.Generator, axes: str, shape: tuple[int, ...]) -> None:
    data = rng.integers(0, 65536, shape, dtype=np.uint16)
    names = METADATA.channel_names if "C" in axes else ()
    known = SpatialMetadata(pixel_size=(0.5, 0.25), z_step=2.0, channel_names=names)
    path = write_stack(FocalStack(data=data, axes=axes, metadata=known), tmp_path / "stack.ome.tif")
    back = read_stack(path)
    assert back.metadata == known
    np.testing.assert_array_equal(back.read(), FocalStack(data=data, axes=axes).read())


def test_free_name_counts_on(tmp_path: Path) -> None:
    wanted = tmp_path / "a.b.ome.tif"
    assert free_name(wanted) == wanted
    wanted.touch()
    assert free_name(wanted).name == "a.b-2.ome.tif"
    (tmp_path / "a.b-2.ome.tif").touch()
    assert free_name(wanted).name == "a.b-3.ome.tif"


def test_other_endings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"out\.ome\.tif"):
        write_fused(fused((9, 14), "YX"), tmp_path / "out.png")


def test_two_outputs_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="same name"):
        write_fused(fused((9, 14), "YX"), tmp_path / "a.tif", decision=tmp_path / "x" / ".." / "a.tif")


def test_an_absent_folder_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(SaveError, match="no folder"):
        write_fused(fused((9, 14), "YX"), tmp_path / "typo" / "a.tif")
    assert not (tmp_path / "typo").exists()


def test_a_folder_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "a.tif").mkdir()
    with pytest.raises(OutputExistsError):
        write_fused(fused((9, 14), "YX"), tmp_path / "a.tif", overwrite=True)


def test_files_of_others_carry_no_provenance(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((4, 4), np.uint8))
    tifffile.imwrite(tmp_path / "b.ome.tif", np.zeros((4, 4), np.uint8), metadata={"Description": "by hand"})
    (tmp_path / "c.tif").write_text("text")
    for name in ("a.tif", "b.ome.tif", "c.tif", "absent.tif"):
        with pytest.raises(LoadError, match="provenance"):
            read_provenance(tmp_path / name)
