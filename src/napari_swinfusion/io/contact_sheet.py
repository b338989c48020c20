"""One picture that shows a whole fusion at a glance: some planes, the fused image, decision and confidence."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from napari_swinfusion.focal_stack import FocalStack, FusedImage

PAPER = (255, 255, 255)
INK = (34, 38, 44)
GAP = 16  # px between and around the panels
LINE = 26  # px of height of a line of text
PANEL = 512  # px of width of each of the three results
THUMBNAILS = 6

# From the first plane to the last: hues apart enough to name, of similar lightness steps.
PLANE_RAMP = ((49, 54, 149), (40, 140, 180), (110, 190, 110), (246, 205, 80), (215, 70, 45))


def draw_contact_sheet(stack: FocalStack, fused: FusedImage, *, title: str) -> Image.Image:
    """Return an RGB picture of the first time point and channel: a row of planes over the three results.

    Planes and fused image share one grey scale, so that what looks brighter is brighter. The decision map runs from
    blue (plane 0) to red (last plane) and the confidence from black (0) to white (1), each with a key below.
    `title` may hold the characters of ASCII only: the font that comes with Pillow has no others.
    """
    shown = np.unique(np.linspace(0, stack.n_planes - 1, THUMBNAILS).round().astype(int))
    planes = [stack.read(0, plane=int(z))[0, 0] for z in shown]
    image = first_view(fused.image, fused.axes)
    low, high = np.nanpercentile(np.stack([*planes, image])[:, ::2, ::2].astype(np.float64), (0.2, 99.8))
    colours = ramp(stack.n_planes)
    results = {
        f"Fused: {stack.n_planes} planes in one image": grey(image, low, high),
        "Decision: the plane that each pixel came from": colours[first_view(fused.decision, fused.decision_axes)],
        "Confidence: how much one plane stands out": grey(first_view(fused.confidence, fused.decision_axes), 0.0, 1.0),
    }

    width = 3 * PANEL + 4 * GAP
    thumbnail = (width - (len(planes) + 1) * GAP) // len(planes)
    tall = image.shape[0] / image.shape[1]
    first_row = GAP + LINE
    second_row = first_row + LINE + round(thumbnail * tall) + GAP
    keys = second_row + LINE + round(PANEL * tall) + GAP // 2
    sheet = Image.new("RGB", (width, keys + LINE + GAP // 2), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((GAP, GAP // 2), title, INK, ImageFont.load_default(20))
    for column, (z, plane) in enumerate(zip(shown, planes, strict=True)):
        place = (GAP + column * (thumbnail + GAP), first_row)
        paste(sheet, grey(plane, low, high), place, thumbnail, f"Plane {z}")
    for column, (name, picture) in enumerate(results.items()):
        paste(sheet, picture, (GAP + column * (PANEL + GAP), second_row), PANEL, name)
    draw_key(sheet, (2 * GAP + PANEL, keys), colours, "plane 0", f"plane {stack.n_planes - 1}")
    draw_key(sheet, (3 * GAP + 2 * PANEL, keys), grey(np.arange(PANEL), 0, PANEL - 1), "0", "1")
    return sheet


def first_view(array: NDArray[Any], axes: str) -> NDArray[Any]:
    """Return the first (Y, X) view of an array with any other axes."""
    view = array[tuple(slice(None) if axis in "YX" else 0 for axis in axes)]
    return view if axes.index("Y") < axes.index("X") else view.T


def grey(values: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    """Map values from [low, high] to grey RGB; NaN becomes black."""
    scaled = (np.nan_to_num(values.astype(np.float64), nan=low) - low) / max(high - low, 1e-12)
    return np.repeat((np.clip(scaled, 0, 1) * 255).round().astype(np.uint8)[..., None], 3, axis=-1)


def ramp(n_planes: int) -> NDArray[np.uint8]:
    """Return one RGB colour for each plane, `(n, 3)`."""
    at = np.linspace(0, len(PLANE_RAMP) - 1, n_planes)
    channels = [np.interp(at, np.arange(len(PLANE_RAMP)), channel) for channel in np.transpose(PLANE_RAMP)]
    return np.stack(channels, axis=-1).round().astype(np.uint8)


def paste(sheet: Image.Image, picture: NDArray[np.uint8], place: tuple[int, int], width: int, label: str) -> None:
    """Put a picture on the sheet, `width` px wide, with its label above."""
    x, y = place
    size = (width, round(width * picture.shape[0] / picture.shape[1]))
    # Downwards every pixel counts; upwards a pixel stays a pixel, since the sheet is there to be judged.
    how = Image.Resampling.BOX if size[0] < picture.shape[1] else Image.Resampling.NEAREST
    ImageDraw.Draw(sheet).text((x, y + 3), label, INK, ImageFont.load_default(15))
    sheet.paste(Image.fromarray(picture).resize(size, how), (x, y + LINE))


def draw_key(sheet: Image.Image, place: tuple[int, int], colours: NDArray[np.uint8], first: str, last: str) -> None:
    """Draw a bar of colours between the words for its two ends, as wide as a result."""
    x, y = place
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(15)
    left, right = x + round(draw.textlength(first, font)) + 8, x + PANEL - round(draw.textlength(last, font)) - 8
    draw.text((x, y + 2), first, INK, font)
    draw.text((right + 8, y + 2), last, INK, font)
    bar = Image.fromarray(colours[None]).resize((right - left, LINE - 12), Image.Resampling.NEAREST)
    sheet.paste(bar, (left, y + 6))
