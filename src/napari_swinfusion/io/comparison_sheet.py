"""One picture that shows several fusions of one stack side by side, to be judged by eye."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from napari_swinfusion.focal_stack import FusedImage
from napari_swinfusion.io.contact_sheet import GAP, INK, LINE, PAPER, first_view, grey, paste, ramp
from napari_swinfusion.io.write import write_bytes

PANEL = 360  # px of width of a panel on the sheet
CLOSE_UP = 240  # px of the stack that a close-up shows

Picture = NDArray[np.uint8]


def draw_comparison_sheet(
    results: Mapping[str, FusedImage],
    *,
    title: str,
    truth: NDArray[Any] | None = None,
    corner: tuple[int, int] | None = None,
) -> Image.Image:
    """Return an RGB picture: a column a method, with close-up, whole image, decision map and confidence.

    All images share one grey scale, all decision maps one range of colours, from blue (first plane) to red (last).

    Parameters
    ----------
    results
        At least one fusion of the same stack, by name of the method; first time point and channel are shown.
    title
        In ASCII, the only characters of the font that comes with Pillow.
    truth
        The true image, axes as the fused ones, for a column of its own.
    corner
        Upper left corner (y, x) of the close-up; by default where the results differ most.
    """
    fused = {name: first_view(result.image, result.axes) for name, result in results.items()}
    if truth is not None:
        fused["truth"] = first_view(truth, next(iter(results.values())).axes)
    low, high = np.nanpercentile(np.stack([image[::2, ::2] for image in fused.values()]), (0.2, 99.8))
    images = {name: grey(image, low, high) for name, image in fused.items()}
    part = _close_up(list(fused.values()), corner)
    colours = ramp(1 + max(int(result.decision.max()) for result in results.values()))
    columns: dict[str, list[Picture]] = {}
    for name, image in images.items():
        columns[name] = [image[part], image]
        if name in results:
            result = results[name]
            columns[name].append(colours[first_view(result.decision, result.decision_axes)])
            columns[name].append(grey(first_view(result.confidence, result.decision_axes), 0.0, 1.0))
    return _sheet(columns, title)


def save_sheet(sheet: Image.Image, path: Path) -> Path:
    """Write a sheet as PNG of 256 colours, which are enough for greys and planes; whole or not at all."""
    content = io.BytesIO()
    sheet.quantize(256).save(content, "png", optimize=True)
    return write_bytes(path, content.getvalue())


def _sheet(columns: Mapping[str, list[Picture]], title: str) -> Image.Image:
    rows = next(iter(columns.values()))
    heights = [round(PANEL * row.shape[0] / row.shape[1]) + LINE + GAP // 2 for row in rows]
    top = GAP + LINE
    sheet = Image.new("RGB", (GAP + len(columns) * (PANEL + GAP), top + sum(heights)), PAPER)
    ImageDraw.Draw(sheet).text((GAP, GAP // 2), title, INK, ImageFont.load_default(20))
    kinds = ("", ": whole", ": decision", ": confidence")
    for column, (name, pictures) in enumerate(columns.items()):
        for row, picture in enumerate(pictures):
            place = (GAP + column * (PANEL + GAP), top + sum(heights[:row]))
            paste(sheet, picture, place, PANEL, f"{name}{kinds[row]}")
            box = (place[0] - 1, place[1] + LINE - 1, place[0] + PANEL, place[1] + heights[row] - GAP // 2)
            ImageDraw.Draw(sheet).rectangle(box, outline=INK)  # a map may be as white as the paper
    return sheet


def _close_up(images: list[NDArray[Any]], corner: tuple[int, int] | None) -> tuple[slice, slice]:
    """Return the part to enlarge: round the place where the images differ most, over windows of the close-up's size."""
    height, width = images[0].shape
    side = min(CLOSE_UP, height, width)
    if corner is None:
        spread = np.stack([image.astype(np.float32) for image in images]).std(axis=0)
        mean = ndimage.uniform_filter(np.nan_to_num(spread), side, mode="constant")
        y, x = np.unravel_index(int(mean.argmax()), mean.shape)
        corner = (int(y) - side // 2, int(x) - side // 2)
    y0, x0 = min(max(corner[0], 0), height - side), min(max(corner[1], 0), width - side)
    return slice(y0, y0 + side), slice(x0, x0 + side)
