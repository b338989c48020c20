"""The whole way in a real window, ending with the picture that the docs show."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import numpy as np
from PIL import Image

TOOL = Path(__file__).parents[2] / "tools" / "screenshot_dock.py"


def test_the_sample_is_fused_in_a_window_and_photographed(make_napari_viewer, tmp_path):
    spec = importlib.util.spec_from_file_location("screenshot_dock", TOOL)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    path = Path(os.environ.get("SWINFUSION_SCREENSHOT", tmp_path / "dock.png"))
    viewer = make_napari_viewer(show=True)
    tool.photograph(viewer, path, model="tenengrad")
    assert [layer.name.rpartition("[")[2] for layer in viewer.layers][1:] == ["confidence]", "decision]", "fused]"]
    picture = np.asarray(Image.open(path).convert("RGB"))
    assert picture.shape == (720, 1280, 3)
    # Four layers in a grid and a dock: nowhere a blank canvas.
    canvas = picture[40:650, 340:960]
    assert all(quarter.std() > 5 for half in np.array_split(canvas, 2) for quarter in np.array_split(half, 2, axis=1))
