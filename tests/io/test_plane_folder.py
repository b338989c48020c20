"""A folder or a list of plane files becomes one stack, in counting order, and says what it left out."""

from __future__ import annotations

from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile

from napari_swinfusion.errors import InputError, LoadError
from napari_swinfusion.io import read_stack


def save_plane(path: Path, value: int, shape: tuple[int, ...] = (12, 16)) -> Path:
    """Write a plane of one grey value, in the format its name says."""
    plane = np.full(shape, value, np.uint8)
    if path.suffix.casefold() in (".tif", ".tiff"):
        tifffile.imwrite(path, plane, metadata=None)
    elif path.suffix.casefold() == ".png":
        path.write_bytes(imagecodecs.png_encode(plane))
    else:
        path.write_bytes(imagecodecs.jpeg_encode(plane, level=100))
    return path


def values(stack: object) -> list[int]:
    """Return the grey value of each plane."""
    return [int(stack.read(plane=z).mean()) for z in range(stack.n_planes)]  # type: ignore[attr-defined]


@pytest.mark.parametrize("ending", ["tif", "TIFF", "png", "jpg", "JPEG"])
def test_a_folder_is_read_in_counting_order(tmp_path: Path, ending: str) -> None:
    for number in (10, 9, 1, 2):
        save_plane(tmp_path / f"z{number}.{ending}", 10 * number)
    stack = read_stack(tmp_path)
    assert (stack.axes, stack.name, stack.source) == ("ZYX", tmp_path.name, str(tmp_path))
    assert values(stack) == [10, 20, 90, 100]
    assert stack.notices == ()


def test_other_images_in_the_folder_are_ignored_and_named(tmp_path: Path) -> None:
    for number in range(1, 5):
        save_plane(tmp_path / f"{number:02d}sm.png", number)
    save_plane(tmp_path / "reference_stacked.png", 200, (5, 5))
    (tmp_path / "notes.txt").write_text("not an image")
    save_plane(tmp_path / "._01sm.png", 1)
    stack = read_stack(tmp_path)
    assert values(stack) == [1, 2, 3, 4]
    (notice,) = stack.notices
    assert "4 of 5 images" in notice
    assert "ignored: reference_stacked.png" in notice


def test_two_equal_families_are_not_guessed_between(tmp_path: Path) -> None:
    for number in range(3):
        save_plane(tmp_path / f"pair-{number}-A.png", number)
        save_plane(tmp_path / f"pair-{number}-B.png", number)
    with pytest.raises(InputError, match=r"pair-0-A\.png … pair-2-A\.png and pair-0-B\.png"):
        read_stack(tmp_path)


def test_two_wells_in_one_folder_are_not_mixed(tmp_path: Path) -> None:
    for well in ("A01", "A02"):
        for number in range(3):
            save_plane(tmp_path / f"{well}_z{number}.png", number)
    with pytest.raises(InputError, match="more than one stack"):
        read_stack(tmp_path)


def test_a_second_number_that_goes_along_does_no_harm(tmp_path: Path) -> None:
    for number in range(3):
        save_plane(tmp_path / f"plane{number}_height{5 * number}um.png", number)
    assert values(read_stack(tmp_path)) == [0, 1, 2]


def test_names_without_numbers_are_taken_in_order_with_a_notice(tmp_path: Path) -> None:
    save_plane(tmp_path / "near.png", 2)
    save_plane(tmp_path / "far.png", 1)
    stack = read_stack(tmp_path)
    assert values(stack) == [1, 2]
    assert "far.png, near.png" in stack.notices[0]


def test_an_empty_folder_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match="no TIFF, PNG or JPEG"):
        read_stack(tmp_path)


def test_a_list_keeps_its_order_and_two_files_are_two_planes(tmp_path: Path) -> None:
    files = [save_plane(tmp_path / "cell-B.png", 2), save_plane(tmp_path / "cell-A.tif", 1)]
    stack = read_stack(files)
    assert values(stack) == [2, 1]
    assert (stack.name, stack.source) == ("cell", str(tmp_path))


def test_planes_of_several_channels_become_one_stack(tmp_path: Path, rng: np.random.Generator) -> None:
    data = rng.integers(0, 65536, (4, 2, 10, 12), dtype=np.uint16)
    for z, plane in enumerate(data):
        names = {"Channel": {"Name": ["red", "green"]}}
        tifffile.imwrite(tmp_path / f"z{z}.ome.tif", plane, metadata={"axes": "CYX", **names}, photometric="minisblack")
    stack = read_stack(tmp_path)
    assert (stack.axes, stack.n_planes, stack.size("C")) == ("ZCYX", 4, 2)
    np.testing.assert_array_equal(np.asarray(stack.data), data)
    assert stack.metadata.channel_names == ("red", "green")


def test_a_stack_among_planes_is_refused(tmp_path: Path) -> None:
    single = save_plane(tmp_path / "one.tif", 1)
    tifffile.imwrite(tmp_path / "many.tif", np.zeros((5, 12, 16), np.uint8), metadata={"axes": "ZYX"})
    with pytest.raises(InputError, match=r"many\.tif holds 5 planes"):
        read_stack([single, tmp_path / "many.tif"])


def test_a_folder_among_planes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a folder"):
        read_stack([save_plane(tmp_path / "one.png", 1), tmp_path])


def test_no_files_at_all(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no planes"):
        read_stack([])


def test_stage_heights_give_the_z_step(tmp_path: Path) -> None:
    for z in range(3):
        metadata = {
            "axes": "YX",
            "PhysicalSizeZ": 9.0,
            "Plane": {"PositionZ": [100.0 - 1.5 * z], "PositionZUnit": ["µm"]},
        }
        tifffile.imwrite(tmp_path / f"z{z}.ome.tif", np.zeros((8, 8), np.uint8), metadata=metadata)
    stack = read_stack(tmp_path)
    assert stack.metadata.z_step == pytest.approx(1.5)
    assert any("1.5 µm apart" in notice for notice in stack.notices)
