"""Registration: known shifts are found along the chain, doubtful ones are refused, values stay as measured."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import shift as move

import napari_swinfusion as nsf
from napari_swinfusion.errors import InputError
from napari_swinfusion.focal_stack import FocalStack
from napari_swinfusion.prepare import prepare
from napari_swinfusion.tiling import Box

Draw = Callable[..., NDArray[np.float64]]
Camera = Callable[..., NDArray[np.uint16]]

DRIFT = np.stack([np.linspace(3, -3, 9), np.linspace(-1.5, 1.5, 9)], axis=1)
STEPS = np.array([[8, -6], [5, -6], [5, 0], [1, 2], [0, 0], [-4, 0], [-4, 5], [-9, 5], [-9, 9]], dtype=float)


def drifting(planes: NDArray[np.float64], shifts: NDArray[np.float64], crop: int = 24) -> NDArray[np.float64]:
    """Move each plane against `shifts`, which are what registration should find, and cut off the border."""
    moved = [move(plane, -by, order=3, mode="nearest") for plane, by in zip(planes, shifts, strict=True)]
    return np.array(moved)[:, crop:-crop, crop:-crop]


@pytest.mark.parametrize("shifts", [DRIFT, STEPS], ids=["drift", "steps"])
@pytest.mark.parametrize("kind", ["texture", "bright-dense", "dark-small"])
def test_shifts_are_found(planes_of: Draw, camera: Camera, kind: str, shifts: NDArray[np.float64]) -> None:
    raw = camera(drifting(planes_of(kind, size=304), shifts), photons=2000)
    ready = prepare(FocalStack.from_array(raw), register="translation")
    assert np.abs(ready.measured.measured - shifts).max() < 0.8
    assert np.abs(ready.shifts - shifts).max() <= 1
    assert (ready.shifts[4] == 0).all()


def test_planes_that_lie_still_stay(planes_of: Draw, camera: Camera) -> None:
    ready = prepare(FocalStack.from_array(camera(planes_of("texture"), photons=2000)), register="translation")
    assert np.abs(ready.measured.measured).max() < 0.6
    assert not any("shifted" in notice for notice in ready.notices)


def test_noise_without_structure_is_refused(rng: np.random.Generator) -> None:
    raw = rng.normal(1000, 30, (6, 128, 128)).astype(np.uint16)
    ready = prepare(FocalStack.from_array(raw), register="translation")
    assert (ready.shifts == 0).all()
    assert len(ready.measured.refused) >= 4
    assert any("raised the correlation" in notice for notice in ready.notices)


def test_a_blank_plane_does_not_break_the_chain(planes_of: Draw, camera: Camera) -> None:
    raw = camera(drifting(planes_of("texture", size=304), DRIFT), photons=5000)
    raw[2] = 777
    ready = prepare(FocalStack.from_array(raw), register="translation")
    others = np.arange(9) != 2
    expected = DRIFT - DRIFT[ready.stack.n_planes // 2]
    found = ready.measured.measured - ready.measured.measured[4]
    assert np.abs(found - expected)[others].max() < 0.8


def test_whole_pixels_move_values_unchanged_and_bare_borders_do_not_count(planes_of: Draw, camera: Camera) -> None:
    raw = camera(drifting(planes_of("texture", size=304), STEPS), photons=5000)
    ready = prepare(FocalStack.from_array(raw), register="translation")
    dy, dx = ready.shifts[0]
    assert (dy, dx) == (8, -6)
    aligned = ready.raw(ready.stack.whole)[0, 0]
    assert np.array_equal(aligned[8:, :-6], raw[0, :-8, 6:])
    assert np.array_equal(aligned[0, :-6], raw[0, 0, 6:])  # the bare border repeats the plane's edge
    valid = ready.valid(ready.stack.whole)
    assert valid is not None
    assert not valid[0, :8].any()
    assert not valid[0, :, -6:].any()
    assert valid[0, 8:, :-6].all()
    assert valid[4].all()


def test_any_box_reads_the_same_as_the_whole(planes_of: Draw, camera: Camera) -> None:
    raw = camera(drifting(planes_of("texture", size=304), STEPS), photons=5000)
    ready = prepare(FocalStack.from_array(raw), register="translation")
    whole, whole_grey = ready.raw(ready.stack.whole), ready.grey(ready.stack.whole)
    for box in (Box(0, 3, 0, 5), Box(250, 256, 251, 256), Box(100, 131, 7, 200)):
        assert np.array_equal(ready.raw(box), whole[(..., *box.slices)])
        assert np.array_equal(ready.grey(box), whole_grey[(..., *box.slices)])
        valid, all_valid = ready.valid(box), ready.valid(ready.stack.whole)
        assert valid is not None
        assert all_valid is not None
        assert np.array_equal(valid, all_valid[(..., *box.slices)])


@pytest.mark.parametrize("shape", [(3, 1, 1), (3, 1, 40), (2, 15, 200)])
def test_tiny_images_are_not_moved(shape: tuple[int, ...], rng: np.random.Generator) -> None:
    ready = prepare(FocalStack.from_array(rng.random(shape), "ZYX"), register="translation")
    assert (ready.shifts == 0).all()


def test_an_unknown_registration_is_an_error() -> None:
    options: dict[str, Any] = {"register": "affine"}
    with pytest.raises(InputError, match=r"affine.*'off' or 'translation'"):
        prepare(FocalStack.from_array(np.zeros((2, 9, 9))), **options)


def test_leaf_registered_is_no_less_alike_than_as_taken(real_data: Path) -> None:
    files = sorted((real_data / "zstack_leaf_reflected").glob("0*.png"))
    if not files:
        pytest.skip("no leaf stack in the real images")
    stack = nsf.read_stack(files)
    as_taken, registered = prepare(stack), prepare(stack, register="translation")
    inner = Box(20, stack.height - 20, 20, stack.width - 20)

    def likeness(planes: NDArray[np.float32]) -> float:
        fine = np.diff(planes, axis=1)
        return float(np.mean([np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in pairwise(fine)]))

    assert np.abs(registered.measured.measured).max() < 5
    assert likeness(registered.grey(inner)) >= likeness(as_taken.grey(inner)) - 1e-3
