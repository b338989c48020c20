"""Draw the picture of the dock for the docs: fuse the sample stack in a real 1280 × 720 window and photograph it."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
DEFAULT = ROOT / "docs" / "images" / "dock.png"
SIZE = (1280, 720)
PATIENCE_SECONDS = 240.0


def photograph(viewer: Any, path: Path, *, model: str) -> None:
    """Fuse the sample stack in `viewer` with `model` and save the whole window as `path`.

    Raises
    ------
    TimeoutError
        If the fusion does not end.
    """
    from qtpy.QtWidgets import QApplication

    from napari_swinfusion.viewer.fuse_dock import FuseDock
    from napari_swinfusion.viewer.samples import organoid_stack

    viewer.window.resize(*SIZE)
    data, arguments, _ = organoid_stack()[0]
    viewer.add_image(data, **arguments)
    dock = FuseDock(viewer)
    viewer.window.add_dock_widget(dock, name="Fuse focal stack", area="right")
    dock.options.model.choose(model)
    dock.start()
    limit = time.monotonic() + PATIENCE_SECONDS
    while dock.running:
        QApplication.processEvents()
        time.sleep(0.01)
        if time.monotonic() > limit:
            raise TimeoutError(f"The fusion did not end within {PATIENCE_SECONDS:.0f} s.")
    viewer.canvas.grid.enabled = True
    viewer.reset_view()
    # A few turns of the event loop, for the layout and the last drawing.
    for _ in range(30):
        QApplication.processEvents()
        time.sleep(0.02)
    path.parent.mkdir(parents=True, exist_ok=True)
    viewer.screenshot(str(path), canvas_only=False, flash=False)


def main() -> int:
    """Take the picture; without a screen, under a virtual one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", nargs="?", type=Path, default=DEFAULT)
    parser.add_argument("--model", default="default")
    chosen = parser.parse_args()
    if sys.platform.startswith("linux") and not os.environ.get("DISPLAY") and shutil.which("xvfb-run"):
        screen = f"-screen 0 {SIZE[0]}x{SIZE[1]}x24"
        return subprocess.call(["xvfb-run", "-a", "-s", screen, sys.executable, *sys.argv])
    import napari

    viewer = napari.Viewer(show=True)
    photograph(viewer, chosen.path, model=chosen.model)
    viewer.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
