"""Lengths and times arrive in µm and s, and what a file does not know stays unknown."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_swinfusion.io import read_stack
from napari_swinfusion.io.metadata import even_step, micrometres, read_ome, seconds


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (2.0, "µm", 2.0),
        (2.0, "μm", 2.0),
        ("2", "micron", 2.0),
        (2.0, "microns", 2.0),
        (2.0, "micrometre", 2.0),
        (2.0, "\\u00B5m", 2.0),
        (650, "nm", 0.65),
        (1, "inch", 25400.0),
        (1, "Å", 1e-4),
        (2.0, "pixel", None),
        (2.0, "", None),
        (2.0, None, None),
        (0.0, "µm", None),
        (-1.0, "µm", None),
        ("NaN", "µm", None),
        ("inf", "µm", None),
        ("wide", "µm", None),
        (None, "µm", None),
    ],
)
def test_lengths(value: float | str | None, unit: str | None, expected: float | None) -> None:
    assert micrometres(value, unit) == (None if expected is None else pytest.approx(expected))


@pytest.mark.parametrize(("value", "unit", "expected"), [(3, "s", 3.0), (2, "min", 120.0), (500, "ms", 0.5)])
def test_times(value: float, unit: str, expected: float) -> None:
    assert seconds(value, unit) == pytest.approx(expected)


def test_even_step_is_the_distance_of_even_heights_only() -> None:
    assert even_step((5.0, 3.0, 1.0)) == 2.0
    assert even_step((0.0, 1.0, 5.0)) is None
    assert even_step((1.0, 1.0)) is None
    assert even_step((1.0,)) is None


def test_ome_without_z_size_takes_the_step_from_the_plane_heights() -> None:
    planes = "".join(f'<Plane TheZ="{z}" TheC="0" TheT="0" PositionZ="{10 - 0.5 * z}"/>' for z in (2, 0, 1))
    facts = read_ome(f'<OME xmlns="any"><Image><Pixels SizeZ="3">{planes}</Pixels></Image></OME>')
    assert facts is not None
    assert facts.known["z_step"] == pytest.approx(0.5)
    assert facts.positions == (10.0, 9.5, 9.0)


@pytest.mark.parametrize("dpi", [72, 96, 300])
def test_a_printing_resolution_is_not_a_pixel_size(tmp_path: Path, dpi: int) -> None:
    planes = np.zeros((2, 8, 8), np.uint8)
    tifffile.imwrite(tmp_path / "print.tif", planes, metadata=None, resolution=(dpi, dpi), resolutionunit="INCH")
    assert read_stack(tmp_path / "print.tif").metadata.pixel_size is None


def test_pixels_as_unit_are_no_pixel_size(tmp_path: Path) -> None:
    metadata = {"axes": "ZYX", "unit": "pixel", "spacing": 3.0}
    tifffile.imwrite(
        tmp_path / "p.tif", np.zeros((2, 8, 8), np.uint8), imagej=True, metadata=metadata, resolution=(1, 1)
    )
    known = read_stack(tmp_path / "p.tif").metadata
    assert known.pixel_size is None
    assert known.z_step is None
