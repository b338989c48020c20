"""Pictures of real stacks fused by several methods, to be looked at: numbers do not see halos and blotches."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from benchmarks.methods import Method
from napari_swinfusion import FocalStack, FusedImage, read_stack
from napari_swinfusion.io.contact_sheet import first_view, grey, ramp

SHOWN = ("mean", "tenengrad argmax", "laplacian pyramid", "tenengrad guarded", "network soft", "network hard")
CLOSE_UP = 320  # px of the stack
PANEL = 480  # px on the sheet


def _planes(pattern: str) -> Callable[[Path], FocalStack]:
    return lambda folder: read_stack(sorted(folder.glob(pattern)))


# Folder and its plane files, and the corner (y, x) of the close-up: depth steps beside flat background.
STACKS: dict[str, tuple[Callable[[Path], FocalStack], tuple[int, int]]] = {
    "zstack_organoid_bf_A01": (_planes("A01_z*.tif"), (420, 560)),
    "zstack_flyeye_reflected": (_planes("181218_*.JPG"), (300, 500)),
    "zstack_leaf_reflected": (_planes("0*sm.png"), (80, 160)),
    "zstack_microtubules_fluor": (_planes("z*.tif"), (100, 240)),
}


def draw_sheets(methods: dict[str, Method], images: Path, out: Path) -> None:
    """Write one PNG a stack: a row of close-ups, a row of whole images, a row of decision and confidence."""
    out.mkdir(parents=True, exist_ok=True)
    shown = {name: methods[name] for name in SHOWN if name in methods}
    for folder, (read, corner) in STACKS.items():
        stack = read(images / folder)
        results = {name: method(stack) for name, method in shown.items()}
        _draw(stack, results, corner).save(out / f"{folder}.png")


def _draw(stack: FocalStack, results: dict[str, FusedImage], corner: tuple[int, int]) -> Image.Image:
    fused = {name: first_view(result.image, result.axes) for name, result in results.items()}
    low, high = np.percentile(np.stack(list(fused.values())), (0.2, 99.8))
    y, x = corner
    part = (slice(y, y + CLOSE_UP), slice(x, x + CLOSE_UP))
    colours = ramp(stack.n_planes)
    columns = []
    for name, result in results.items():
        decision = colours[first_view(result.decision, result.decision_axes)]
        confidence = grey(first_view(result.confidence, result.decision_axes), 0.0, 1.0)
        whole = grey(fused[name], low, high)
        columns.append([_panel(panel, name) for panel in (whole[part], whole, decision[part], decision, confidence)])
    heights = [panel.height for panel in columns[0]]
    sheet = Image.new("RGB", (PANEL * len(columns), sum(heights)))
    for column, panels in enumerate(columns):
        for row, panel in enumerate(panels):
            sheet.paste(panel, (PANEL * column, sum(heights[:row])))
    return sheet


def _panel(picture: NDArray[np.uint8], label: str) -> Image.Image:
    size = (PANEL, round(PANEL * picture.shape[0] / picture.shape[1]))
    how = Image.Resampling.BOX if picture.shape[1] > PANEL else Image.Resampling.NEAREST
    panel = Image.fromarray(picture).resize(size, how)
    ImageDraw.Draw(panel).text((6, 4), label, (255, 60, 60))
    return panel
