"""Draw the picture of the Train dock for the docs: train on sample stacks in a real 1280 × 720 window, photographed."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
DEFAULT = ROOT / "docs" / "images" / "train-dock.png"
SIZE = (1280, 720)
PATIENCE_SECONDS = 900.0
SEEDS = (0, 1, 4)


def photograph(viewer: Any, path: Path, *, minutes: float) -> None:
    """Fine-tune `default` on three simulated stacks in `viewer`, and save the whole window as `path`.

    `NAME-setup.png` beside it shows the dock before the start.

    Raises
    ------
    TimeoutError
        If the training does not end.
    """
    from napari_swinfusion.simulation import simulate
    from napari_swinfusion.viewer.train_dock import TrainDock

    viewer.window.resize(*SIZE)
    for number, seed in enumerate(SEEDS, start=1):
        drawn = simulate(preset="organoid-brightfield", n_planes=7, height=256, width=256, photons=5000.0, seed=seed)
        viewer.add_image(drawn.stack.data, name=f"Organoid {number}", axis_labels=("z", "y", "x"))
    viewer.dims.set_current_step(0, 3)
    viewer.reset_view()
    dock = TrainDock(viewer)
    viewer.window.add_dock_widget(dock, name="Train fusion network", area="right")
    dock.options.name.setText("our-organoids")
    dock.options.amount.setValue(minutes)
    dock.check()
    wait(lambda: dock.report.list.count() > 0)
    wait_a_little()
    path.parent.mkdir(parents=True, exist_ok=True)
    viewer.screenshot(str(path.with_stem(f"{path.stem}-setup")), canvas_only=False, flash=False)
    dock.start()
    wait(lambda: "[after]" in " ".join(layer.name for layer in viewer.layers) or not dock.running)
    for layer in viewer.layers:
        layer.visible = layer.name.endswith(("[before]", "[after]", "[decision]"))
    viewer.canvas.grid.enabled = True
    viewer.reset_view()
    wait(lambda: not dock.running)
    wait_a_little()
    viewer.screenshot(str(path), canvas_only=False, flash=False)


def wait(condition: Callable[[], bool]) -> None:
    """Turn the event loop until `condition` holds."""
    from qtpy.QtWidgets import QApplication

    limit = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        QApplication.processEvents()
        time.sleep(0.01)
        if time.monotonic() > limit:
            raise TimeoutError(f"It did not end within {PATIENCE_SECONDS:.0f} s.")


def wait_a_little() -> None:
    """Turn the event loop for the layout and the last drawing."""
    until = time.monotonic() + 0.6
    wait(lambda: time.monotonic() > until)


def main() -> int:
    """Take the picture; without a screen, under a virtual one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", nargs="?", type=Path, default=DEFAULT)
    parser.add_argument("--minutes", type=float, default=2.0)
    chosen = parser.parse_args()
    if sys.platform.startswith("linux") and not os.environ.get("DISPLAY") and shutil.which("xvfb-run"):
        screen = f"-screen 0 {SIZE[0]}x{SIZE[1]}x24"
        return subprocess.call(["xvfb-run", "-a", "-s", screen, sys.executable, *sys.argv])
    import napari

    with tempfile.TemporaryDirectory() as models:
        os.environ["SWINFUSION_MODELS"] = models
        viewer = napari.Viewer(show=True)
        photograph(viewer, chosen.path, minutes=chosen.minutes)
        viewer.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
