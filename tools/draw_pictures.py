"""Draw the pictures of README and docs that need no window: before and after, and the demo's contact sheet.

The stack is the demo's own. `python tools/draw_pictures.py STACK` draws before and after of another one.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

import napari_swinfusion as nsf
from napari_swinfusion.cli.demo import demo
from napari_swinfusion.io.contact_sheet import first_view, grey

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
GAP = 12  # px of white between the two


def before_and_after(stack: nsf.FocalStack) -> Image.Image:
    """Return the middle plane beside the fused image, on one grey scale."""
    before = stack.read(0, plane=stack.n_planes // 2)[0, 0]
    fused = nsf.fuse(stack)
    after = first_view(fused.image, fused.axes)
    low, high = np.percentile([before, after], (0.1, 99.9))
    paper = np.full((before.shape[0], GAP, 3), 255, np.uint8)
    return Image.fromarray(np.hstack([grey(before, low, high), paper, grey(after, low, high)]))


def main(arguments: list[str]) -> None:
    """Write the pictures into the docs."""
    if arguments:
        before_and_after(nsf.read_stack(arguments[0])).save(IMAGES / "before-after.png", optimize=True)
        return
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        demo(out, show=False)
        before_and_after(nsf.read_stack(out / "stack.ome.tif")).save(IMAGES / "before-after.png", optimize=True)
        # 256 colours are enough for greys and planes, and half the size.
        Image.open(out / "contact-sheet.png").quantize(256).save(IMAGES / "contact-sheet.png", optimize=True)


if __name__ == "__main__":
    main(sys.argv[1:])
