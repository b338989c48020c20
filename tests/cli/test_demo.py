from __future__ import annotations

import re

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_swinfusion.cli import demo as demo_module
from napari_swinfusion.cli.demo import demo, has_screen
from napari_swinfusion.io import read_provenance


@pytest.fixture
def small_demo(monkeypatch):
    # The same job on a stack that takes a second.
    monkeypatch.setattr(demo_module, "SIDE", 160)
    monkeypatch.setattr(demo_module, "N_PLANES", 5)


def test_the_demo_writes_its_results_and_tells_them_in_five_lines(small_demo, tmp_path, capsys) -> None:
    out = tmp_path / "results"
    demo(out, show=False)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    reached, best = map(float, re.findall(r"([\d.]+) dB", lines[2]))
    assert 20 < reached < 60
    assert 20 < best < 60

    stack = tifffile.imread(out / "stack.ome.tif")
    fused = tifffile.imread(out / "fused.ome.tif")
    assert stack.shape == (5, 160, 160)
    assert fused.shape == (160, 160)
    assert fused.dtype == stack.dtype == np.uint16
    assert tifffile.imread(out / "decision.ome.tif").max() < 5
    assert tifffile.imread(out / "confidence.ome.tif").dtype == np.float32
    assert read_provenance(out / "fused.ome.tif")["model"]["value_preserving"]
    assert Image.open(out / "contact-sheet.png").size[0] > 1000


def test_the_demo_can_be_repeated_in_the_same_folder(small_demo, tmp_path) -> None:
    demo(tmp_path, show=False)
    first = (tmp_path / "contact-sheet.png").read_bytes()
    demo(tmp_path, show=False)
    assert (tmp_path / "contact-sheet.png").read_bytes() == first


@pytest.mark.parametrize(("display", "expected"), [("", False), (":7", True)])
def test_a_window_opens_only_where_there_is_a_screen(monkeypatch, display: str, expected: bool) -> None:
    monkeypatch.setattr(demo_module.sys, "platform", "linux")
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert has_screen() is expected


def test_with_a_screen_napari_is_started_on_the_results(small_demo, tmp_path, monkeypatch) -> None:
    started = []
    monkeypatch.setattr(demo_module, "has_screen", lambda: True)
    monkeypatch.setattr(demo_module.subprocess, "run", lambda command, **_: started.append(command))
    demo(tmp_path)
    assert [command[-2:] for command in started] == [["napari_swinfusion.viewer.open_result", str(tmp_path)]]
