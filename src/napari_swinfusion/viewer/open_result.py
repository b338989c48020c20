"""Show in a window of its own what `swinfusion demo` wrote, with the dock beside it.

`python -m napari_swinfusion.viewer.open_result FOLDER`: a process of its own, so that the command line needs no Qt.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import napari
import tifffile

from napari_swinfusion.focal_stack import FusedImage
from napari_swinfusion.io import read_provenance, read_stack
from napari_swinfusion.viewer.layers import view_of
from napari_swinfusion.viewer.request import Options, resolve
from napari_swinfusion.viewer.results import ResultLayers


def show_result(viewer: napari.Viewer, folder: Path) -> None:
    """Add the stack in `folder` and its results as layers, as a run in the dock would have."""
    stack = read_stack(folder / "stack.ome.tif")
    (source,) = viewer.open(stack.source, plugin="napari-swinfusion")
    axes = stack.axes_without("Z")
    result = FusedImage(
        image=tifffile.imread(folder / "fused.ome.tif"),
        decision=tifffile.imread(folder / "decision.ome.tif"),
        confidence=tifffile.imread(folder / "confidence.ome.tif"),
        depth=tifffile.imread(folder / "depth.ome.tif"),
        provenance=read_provenance(folder / "fused.ome.tif"),
        axes=axes,
        decision_axes=axes,
    )
    request = replace(resolve([view_of(source)], Options(), axes=stack.axes), show_depth=True)
    for _ in ResultLayers(viewer, request, stack).finish(result):
        pass


def main(folder: str) -> None:
    """Open the window and return when it is closed."""
    viewer = napari.Viewer(title="napari-swinfusion demo")
    viewer.window.add_plugin_dock_widget("napari-swinfusion", "Fuse focal stack")
    show_result(viewer, Path(folder))
    napari.run()


if __name__ == "__main__":
    main(sys.argv[1])
