"""Input faults: what is damaged or unclear is said in one sentence, and never becomes a smaller or emptier stack."""

from __future__ import annotations

import struct
import subprocess
import sys
import time
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from napari_swinfusion import fuse
from napari_swinfusion.errors import AxesError, InputError, LoadError
from napari_swinfusion.focal_stack import FocalStack
from napari_swinfusion.io import read_stack

FLAVOURS = {
    "plain": {"metadata": None},
    "shaped": {"metadata": {"axes": "ZYX"}},
    "imagej": {"imagej": True, "metadata": {"axes": "ZYX"}},
    "ome": {"ome": True, "metadata": {"axes": "ZYX"}},
    "compressed": {"metadata": None, "compression": "zlib"},
}


@pytest.fixture
def planes(rng: np.random.Generator) -> NDArray[np.uint16]:
    """Return six planes of noise, which no codec makes smaller."""
    return rng.integers(0, 65536, (6, 64, 64), dtype=np.uint16)


def cut(path: Path, share: float) -> Path:
    """Cut a file off after `share` of its bytes."""
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    return path


@pytest.mark.parametrize("content", [b"", b"II", b"\xff\xd8\xff\xe0" + bytes(200), b"<html>404</html>", bytes(64)])
def test_A1_not_a_tiff(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "stack.tif"
    path.write_bytes(content)
    with pytest.raises(LoadError, match=r"stack\.tif is not a TIFF file"):
        read_stack(path)


@pytest.mark.parametrize("name", ["plane.png", "plane.jpg"])
@pytest.mark.parametrize("content", [b"", b"II*\0", b"\x89PNG\r\n\x1a\n" + bytes(40), b"\xff\xd8\xff" + bytes(40)])
def test_A1_not_a_png_or_jpeg(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(LoadError, match=name):
        read_stack(tmp_path / name)


@pytest.mark.parametrize("share", [0.3, 0.9, 0.995])
@pytest.mark.parametrize("flavour", ["plain", "shaped", "imagej", "compressed"])
def test_A2_truncated_tiff(tmp_path: Path, planes: NDArray[np.uint16], flavour: str, share: float) -> None:
    path = tmp_path / "cut.tif"
    tifffile.imwrite(path, planes, **FLAVOURS[flavour])
    cut(path, share)
    with pytest.raises(LoadError, match=r"cut\.tif"):
        read_stack(path)


@pytest.mark.parametrize("flavour", ["shaped", "imagej"])
def test_A2_whole_planes_of_a_truncated_tiff_on_request(
    tmp_path: Path, planes: NDArray[np.uint16], flavour: str
) -> None:
    path = tmp_path / "cut.tif"
    tifffile.imwrite(path, planes, **FLAVOURS[flavour])
    cut(path, 0.6)
    with pytest.raises(LoadError, match="3 of 6 planes are missing, 3 readable"):
        read_stack(path)
    stack = read_stack(path, allow_missing=True)
    np.testing.assert_array_equal(stack.data, planes[:3])
    assert any("3 of 6 planes were read" in notice for notice in stack.notices)


@pytest.mark.parametrize("share", [0.3, 0.9, 0.995])
def test_A3_truncated_ome_tiff(tmp_path: Path, planes: NDArray[np.uint16], share: float) -> None:
    path = tmp_path / "cut.ome.tif"
    tifffile.imwrite(path, planes, **FLAVOURS["ome"])
    with pytest.raises(LoadError, match=r"cut\.ome\.tif"):
        read_stack(cut(path, share))


KILLED_WRITER = """
import os, sys, numpy, tifffile
writer = tifffile.TiffWriter(sys.argv[1])
for value in range(6):
    writer.write(numpy.full((64, 64), value, "u2"), contiguous=sys.argv[2] == "contiguous")
writer._fh.flush()
os._exit(1)
"""


@pytest.mark.parametrize("name", ["killed.tif", "killed.ome.tif"])
def test_A4_file_of_a_killed_writer_is_not_one_plane(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    subprocess.run([sys.executable, "-c", KILLED_WRITER, str(path), "contiguous"], check=False)
    with pytest.raises(LoadError, match="lists 1 of the 6 planes"):
        read_stack(path)
    rescued = read_stack(path, allow_missing=True)
    assert [int(rescued.read(plane=z).max()) for z in range(rescued.n_planes)] == [0, 1, 2, 3, 4, 5]


def test_A4_pages_of_a_killed_writer_are_taken_as_planes_aloud(tmp_path: Path) -> None:
    path = tmp_path / "killed.ome.tif"
    subprocess.run([sys.executable, "-c", KILLED_WRITER, str(path), "separate"], check=False)
    stack = read_stack(path)
    assert stack.n_planes == 6
    assert any("taken as focal planes" in notice for notice in stack.notices)


def test_A5_ome_promises_more_planes_than_there_are(tmp_path: Path, planes: NDArray[np.uint16]) -> None:
    path = tmp_path / "sixty.ome.tif"
    tifffile.imwrite(path, planes, **FLAVOURS["ome"])
    tifffile.tiffcomment(path, tifffile.tiffcomment(path).replace('SizeZ="6"', 'SizeZ="60"').encode())
    with pytest.raises(LoadError, match="54 of 60 planes are missing, 6 readable"):
        read_stack(path)
    np.testing.assert_array_equal(read_stack(path, allow_missing=True).data, planes)


@pytest.mark.parametrize("axes", ["TYX", "CYX"])
def test_A6_no_focus_axis_is_asked_about(tmp_path: Path, planes: NDArray[np.uint16], axes: str) -> None:
    path = tmp_path / "odd.ome.tif"
    tifffile.imwrite(path, planes, metadata={"axes": axes}, photometric="minisblack")
    with pytest.raises(AxesError, match=rf"{axes} \(6, 64, 64\) and no focus axis.*--axes"):
        read_stack(path)
    result = fuse(path, axes="ZYX", model="mean")
    assert result.provenance["source"]["axes"] == "ZYX"
    assert any(f"says {axes}" in notice for notice in result.notices)


def test_A6_unknown_axes_are_named(tmp_path: Path, rng: np.random.Generator) -> None:
    path = tmp_path / "odd.tif"
    tifffile.imwrite(
        path, rng.integers(0, 9, (2, 3, 8, 8), dtype=np.uint8), metadata={"axes": "HZYX"}, photometric="minisblack"
    )
    with pytest.raises(AxesError, match="HZYX"):
        read_stack(path)


def test_A7_broken_ome_xml_costs_labels_only(tmp_path: Path, planes: NDArray[np.uint16]) -> None:
    path = tmp_path / "broken.ome.tif"
    tifffile.imwrite(path, planes, **FLAVOURS["ome"])
    tifffile.tiffcomment(path, tifffile.tiffcomment(path).replace("</Pixels>", "").encode())
    stack = read_stack(path)
    np.testing.assert_array_equal(np.asarray(stack.data), planes)
    (notice,) = [notice for notice in stack.notices if "OME metadata" in notice]
    assert "ZYX (6, 64, 64)" in notice


@pytest.mark.parametrize(
    ("right", "wrong"), [('SizeX="64"', 'SizeX="wide"'), ("DimensionOrder", "Order"), ("XYCZT", "Q")]
)
def test_A7_senseless_ome_xml_costs_labels_only(
    tmp_path: Path, planes: NDArray[np.uint16], right: str, wrong: str
) -> None:
    path = tmp_path / "senseless.ome.tif"
    tifffile.imwrite(path, planes, **FLAVOURS["ome"])
    tifffile.tiffcomment(path, tifffile.tiffcomment(path).replace(right, wrong).encode())
    stack = read_stack(path)
    np.testing.assert_array_equal(np.asarray(stack.data), planes)
    assert any("OME metadata of senseless.ome.tif is broken" in notice for notice in stack.notices)


def test_A8_three_planes_or_rgb_is_asked(tmp_path: Path, rng: np.random.Generator) -> None:
    path = tmp_path / "three.tif"
    three = rng.integers(0, 255, (3, 64, 64), dtype=np.uint8)
    tifffile.imwrite(path, three, photometric="rgb", planarconfig="separate")
    with pytest.raises(AxesError, match="slices, or one RGB image"):
        read_stack(path)
    np.testing.assert_array_equal(read_stack(path, axes="ZYX").data, three)


def test_A9_zero_planes(tmp_path: Path) -> None:
    path = tmp_path / "none.tif"
    with pytest.warns(UserWarning, match="zero-size"):
        tifffile.imwrite(path, np.zeros((0, 64, 64), np.uint16))
    with pytest.raises(InputError, match="no planes"):
        read_stack(path)


@pytest.mark.parametrize("name", ["one.tif", "one.png"])
def test_A10_one_plane_is_refused_when_fusing(tmp_path: Path, name: str) -> None:
    plane = np.full((20, 30), 7, np.uint8)
    if name.endswith("png"):
        (tmp_path / name).write_bytes(imagecodecs.png_encode(plane))
    else:
        tifffile.imwrite(tmp_path / name, plane)
    assert read_stack(tmp_path / name).n_planes == 1
    for source in (tmp_path / name, [tmp_path / name]):
        with pytest.raises(InputError, match="at least 2 planes"):
            fuse(source, model="mean")


def test_A11_planes_of_different_size_or_type_are_listed(tmp_path: Path) -> None:
    for name, shape, dtype in [("z1", (20, 30), "u1"), ("z2", (20, 31), "u1"), ("z3", (20, 30), "u2")]:
        tifffile.imwrite(tmp_path / f"{name}.tif", np.zeros(shape, dtype), metadata=None)
    with pytest.raises(InputError) as caught:
        read_stack(tmp_path)
    for part in ("20 × 30 uint8: z1.tif", "20 × 31 uint8: z2.tif", "20 × 30 uint16: z3.tif"):
        assert part in str(caught.value)


def test_A11_images_of_different_size_in_one_file_are_listed(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "mixed.tif") as writer:
        for size in (32, 16):
            writer.write(np.zeros((size, 32), np.uint8), metadata=None)
    with pytest.raises(InputError, match=r"\(32, 32\) uint8.*\(16, 32\) uint8"):
        read_stack(tmp_path / "mixed.tif")


@pytest.mark.parametrize("value", [0, 1234])
def test_A14_constant_planes_from_a_file(tmp_path: Path, value: int) -> None:
    path = tmp_path / "flat.tif"
    flat = np.full((4, 32, 40), value, np.uint16)
    tifffile.imwrite(path, flat, metadata={"axes": "ZYX"}, photometric="minisblack", compression="zlib")
    result = fuse(path, model="tenengrad")
    np.testing.assert_array_equal(result.image, np.full((32, 40), value, np.uint16))
    assert np.isfinite(result.confidence).all()


@pytest.mark.parametrize("dtype", ["bool", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8"])
def test_A17_every_real_pixel_type_is_read(tmp_path: Path, rng: np.random.Generator, dtype: str) -> None:
    data = (rng.random((3, 16, 20)) * 2).astype(dtype)
    tifffile.imwrite(tmp_path / "typed.tif", data, metadata={"axes": "ZYX"}, photometric="minisblack")
    stack = read_stack(tmp_path / "typed.tif")
    assert stack.dtype == data.dtype
    np.testing.assert_array_equal(np.asarray(stack.data), data)


def test_A17_complex_pixels_are_refused(tmp_path: Path) -> None:
    waves = np.zeros((3, 16, 20), np.complex64)
    tifffile.imwrite(tmp_path / "complex.tif", waves, metadata={"axes": "ZYX"}, photometric="minisblack")
    with pytest.raises(InputError, match="complex64"):
        read_stack(tmp_path / "complex.tif")


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_A18_big_endian(tmp_path: Path, planes: NDArray[np.uint16], compression: str | None) -> None:
    path = tmp_path / "big-endian.tif"
    tifffile.imwrite(path, planes, byteorder=">", metadata={"axes": "ZYX"}, compression=compression)
    stack = read_stack(path)
    assert stack.read().dtype == np.dtype("=u2")
    np.testing.assert_array_equal(stack.read()[:, 0], planes)


@pytest.mark.parametrize(
    ("axes", "shape", "photometric"),
    [
        ("ZYXS", (3, 16, 20, 3), "rgb"),
        ("ZYXS", (3, 16, 20, 4), "rgb"),
        ("ZCYX", (3, 2, 16, 20), "minisblack"),
        ("TZYX", (2, 3, 16, 20), "minisblack"),
        ("TZCYX", (2, 3, 2, 16, 20), "minisblack"),
    ],
)
def test_A19_colour_alpha_channels_and_time(
    tmp_path: Path, rng: np.random.Generator, axes: str, shape: tuple[int, ...], photometric: str
) -> None:
    data = rng.integers(0, 255, shape, dtype=np.uint8)
    options = {"extrasamples": ["unassalpha"]} if shape[-1] == 4 else {}
    tifffile.imwrite(tmp_path / "a.ome.tif", data, metadata={"axes": axes}, photometric=photometric, **options)
    stack = read_stack(tmp_path / "a.ome.tif")
    assert stack.axes == axes
    np.testing.assert_array_equal(np.asarray(stack.data), data)


def test_A19_other_positions_are_named_when_left_out(tmp_path: Path, planes: NDArray[np.uint16]) -> None:
    with tifffile.TiffWriter(tmp_path / "positions.ome.tif") as writer:
        for field in (planes, planes[::-1]):
            writer.write(field, metadata={"axes": "ZYX"})
    stack = read_stack(tmp_path / "positions.ome.tif")
    np.testing.assert_array_equal(np.asarray(stack.data), planes)
    assert any("holds 2 images; only the first" in notice for notice in stack.notices)


def test_A21_what_unpacks_beyond_the_memory_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "bomb.tif"
    # 1 TB of zeros by its tags: a tag of the first page is changed, the pixels of the rest are never stored.
    tifffile.imwrite(path, np.zeros((2, 64, 64), np.uint8), compression="zlib", metadata=None)
    with tifffile.TiffFile(path, mode="r+") as tif:
        for page in tif.pages:
            for name in ("ImageWidth", "ImageLength", "RowsPerStrip"):
                page.tags[name].overwrite(1_000_000)
    with pytest.raises(LoadError, match="GB"):
        read_stack(path)


def test_A22_a_circle_of_pages_ends(tmp_path: Path, planes: NDArray[np.uint16]) -> None:
    path = tmp_path / "circle.tif"
    tifffile.imwrite(path, planes[:2], metadata=None, compression="zlib")
    with tifffile.TiffFile(path) as tif:
        first, second = (page.offset for page in tif.pages)
        count = len(tif.pages[1].tags)
    content = bytearray(path.read_bytes())
    content[second + 2 + 12 * count : second + 6 + 12 * count] = struct.pack("<I", first)
    path.write_bytes(content)
    started = time.perf_counter()
    try:
        stack = read_stack(path)
    except LoadError:
        pass
    else:
        np.testing.assert_array_equal(np.asarray(stack.data), planes[:2])
    assert time.perf_counter() - started < 1


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_A23_random_corruption_is_a_load_error_or_a_stack(
    tmp_path: Path, planes: NDArray[np.uint16], rng: np.random.Generator, flavour: str
) -> None:
    path = tmp_path / "fuzz.tif"
    tifffile.imwrite(path, planes[:, :16, :16], **FLAVOURS[flavour])
    intact = path.read_bytes()
    refused = 0
    for _ in range(150):
        content = bytearray(intact)
        # Half of the blows fall on the header and the first page, where they hurt.
        places = np.concatenate([rng.integers(0, len(content), 2), rng.integers(0, 300, 2)])
        for place in places:
            content[place] = rng.integers(0, 256)
        path.write_bytes(content)
        started = time.perf_counter()
        try:
            assert isinstance(read_stack(path), FocalStack)
        except (LoadError, InputError):
            refused += 1
        assert time.perf_counter() - started < 2
    assert refused > 0


def test_A29_names_with_spaces_and_other_letters(tmp_path: Path, planes: NDArray[np.uint16]) -> None:
    folder = tmp_path / "Größe µm 器官"
    folder.mkdir()
    tifffile.imwrite(folder / "stack é.tif", planes, metadata={"axes": "ZYX"})
    assert read_stack(str(folder / "stack é.tif")).name == "stack é"


def test_A29_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match=r"nothing\.tif"):
        read_stack(tmp_path / "nothing.tif")
