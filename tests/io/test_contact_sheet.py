from __future__ import annotations

import numpy as np
import pytest

from napari_swinfusion.focal_stack import FocalStack, FusedImage
from napari_swinfusion.io.contact_sheet import PANEL, draw_contact_sheet, first_view, grey, ramp


def as_fused(scene, **changes) -> FusedImage:
    confidence = np.linspace(0, 1, scene.truth.size, dtype=np.float32).reshape(scene.truth.shape)
    fields = {"image": scene.truth, "decision": scene.depth, "confidence": confidence, "axes": "YX"}
    fields["depth"] = scene.depth.astype(np.float32)
    return FusedImage(provenance={}, decision_axes="YX", **{**fields, **changes})


def test_the_sheet_shows_the_colours_of_every_plane_and_keeps_the_proportions(scene) -> None:
    sheet = np.asarray(draw_contact_sheet(scene.stack, as_fused(scene), title="A slope"))
    colours = {tuple(colour) for colour in sheet.reshape(-1, 3)}
    assert {tuple(colour) for colour in ramp(scene.stack.n_planes)} <= colours
    assert sheet.dtype == np.uint8
    assert sheet.shape[1] > 3 * PANEL


def test_a_plane_twice_as_bright_is_shown_brighter(scene) -> None:
    planes = np.stack([np.full((32, 32), 100, np.uint8), np.full((32, 32), 200, np.uint8)])
    fused = as_fused(scene, image=planes[1], decision=np.ones((32, 32), int), confidence=np.ones((32, 32), np.float32))
    sheet = np.asarray(draw_contact_sheet(FocalStack(data=planes, axes="ZYX"), fused, title="Two greys"))
    first, second = sheet[120, 300], sheet[120, 1100]
    assert first.max() < second.min()


def test_one_colour_a_plane_and_all_differ() -> None:
    for n_planes in (2, 11, 40):
        assert len(np.unique(ramp(n_planes), axis=0)) == n_planes


def test_nan_is_black_and_values_outside_are_clipped() -> None:
    shown = grey(np.array([[np.nan, -5.0], [0.5, 9.0]]), 0.0, 1.0)
    assert shown[..., 0].tolist() == [[0, 0], [128, 255]]


@pytest.mark.parametrize(
    ("axes", "shape"), [("YX", (3, 4)), ("TCYX", (2, 2, 3, 4)), ("YXS", (3, 4, 3)), ("XY", (4, 3))]
)
def test_the_first_view_is_rows_by_columns(axes: str, shape: tuple[int, ...]) -> None:
    assert first_view(np.zeros(shape), axes).shape == (3, 4)
