"""The comparison sheet shows what differs, on one grey scale."""

from __future__ import annotations

import numpy as np
from PIL import Image

from napari_swinfusion import fuse
from napari_swinfusion.io import comparison_sheet
from napari_swinfusion.io.comparison_sheet import draw_comparison_sheet
from tests.conftest import Scene


def test_a_column_a_method_and_one_of_the_truth(scene: Scene) -> None:
    results = {name: fuse(scene.stack, model=name) for name in ("mean", "tenengrad")}
    sheet = draw_comparison_sheet(results, title="slope", truth=scene.truth)
    assert isinstance(sheet, Image.Image)
    assert sheet.width == 3 * (comparison_sheet.PANEL + comparison_sheet.GAP) + comparison_sheet.GAP
    picture = np.asarray(sheet)
    left, middle = picture[:, : sheet.width // 3], picture[:, sheet.width // 3 : 2 * sheet.width // 3]
    assert not (left == middle).all()


def test_the_close_up_lies_where_the_images_differ() -> None:
    images = [np.zeros((600, 700)), np.zeros((600, 700))]
    images[1][500:540, 100:140] = 1
    rows, columns = comparison_sheet._close_up(images, None)
    assert rows.start <= 500
    assert rows.stop >= 540
    assert columns.start <= 100
    assert columns.stop >= 140
    assert comparison_sheet._close_up(images, (590, 690)) == (slice(360, 600), slice(460, 700))
