"""The real stacks are read as what they are."""

from __future__ import annotations

import itertools
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile

from napari_swinfusion.io import read_stack

STACKS = {
    "zstack_organoid_bf_A01": ("ZYX", (11, 1048, 1328), "uint8"),
    "zstack_flyeye_reflected": ("ZYXS", (16, 1024, 1360, 3), "uint8"),
    "zstack_leaf_reflected": ("ZYXS", (6, 480, 637, 3), "uint8"),
    "zstack_microtubules_fluor": ("ZYX", (11, 800, 512), "uint16"),
}


@pytest.mark.parametrize("folder", STACKS)
def test_real_stack(real_data: Path, folder: str) -> None:
    stack = read_stack(real_data / folder)
    assert (stack.axes, stack.data.shape, stack.dtype.name) == STACKS[folder]
    # Each plane is its own picture: none was read twice, none is empty.
    planes = [stack.read(plane=z) for z in range(stack.n_planes)]
    assert all(plane.std() > 0 for plane in planes)
    assert not any(np.array_equal(a, b) for a, b in itertools.pairwise(planes))


def test_organoid_scale_comes_from_its_own_metadata(real_data: Path) -> None:
    folder = real_data / "zstack_organoid_bf_A01"
    stack = read_stack(folder)
    np.testing.assert_array_equal(np.asarray(stack.data)[10], tifffile.imread(folder / "A01_z10.tif")[..., 0])
    assert stack.metadata.pixel_size == pytest.approx((4.32295, 4.32295), rel=1e-4)
    assert stack.metadata.z_step == pytest.approx(200.576, rel=1e-4)
    assert any("equal" in notice for notice in stack.notices)


def test_the_references_beside_the_planes_are_left_out(real_data: Path) -> None:
    assert any("reference_depth.png" in notice for notice in read_stack(real_data / "zstack_leaf_reflected").notices)
    notices = read_stack(real_data / "zstack_flyeye_reflected").notices
    assert any("reference_focusStack2.jpg" in notice for notice in notices)


def test_a_lytro_pair_is_a_stack_of_two(real_data: Path) -> None:
    files = [real_data / "lytro" / f"lytro-01-{side}.jpg" for side in "AB"]
    stack = read_stack(files)
    assert (stack.axes, stack.data.shape, stack.name) == ("ZYXS", (2, 520, 520, 3), "lytro-01")
    np.testing.assert_array_equal(np.asarray(stack.data)[1], imagecodecs.jpeg_decode(files[1].read_bytes()))
