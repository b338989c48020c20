"""Draw the picture of the simulator's page: a stack of each preset beside its answer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from napari_swinfusion.io.contact_sheet import LINE, grey, paste
from napari_swinfusion.simulation import PRESETS, simulate

PICTURE = Path(__file__).resolve().parent.parent / "docs" / "images" / "simulator.png"
SIDE, GAP, PLANES, SEED = 192, 6, 9, 12


def draw() -> Image.Image:
    """Return the picture: presets down, truth, two planes and heights across."""
    sheet = Image.new("RGB", (4 * (SIDE + GAP), len(PRESETS) * (SIDE + LINE)), "white")
    for row, preset in enumerate(PRESETS):
        made = simulate(preset=preset, n_planes=PLANES, height=SIDE, width=SIDE, photons=5000, seed=SEED)
        low, high = np.percentile(made.truth, (0.1, 99.9))
        planes = np.asarray(made.stack.data)
        pictures = {
            preset: grey(made.truth, low, high),
            "first plane": grey(planes[0], low, high),
            "middle plane": grey(planes[PLANES // 2], low, high),
            "height": grey(made.depth, 0, PLANES - 1),
        }
        for column, (label, picture) in enumerate(pictures.items()):
            paste(sheet, picture, (column * (SIDE + GAP), row * (SIDE + LINE)), SIDE, label)
    return sheet


if __name__ == "__main__":
    draw().convert("L").save(PICTURE, optimize=True)
