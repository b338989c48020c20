"""The preview of a training as layers: the same held-out region before and after, and the decision map."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer
from numpy.typing import NDArray

from napari_swinfusion.viewer.placement import Placement, result_slots
from napari_swinfusion.viewer.request import FuseRequest
from napari_swinfusion.viewer.results import METADATA_KEY, plane_colors
from napari_swinfusion.viewer.training_process import Event

# From the bottom of the layer list to its top, so that the newest image covers the others.
_NAMES = {"truth": "reference", "decision": "decision", "before": "before", "after": "after"}


@dataclass(frozen=True)
class _Place:
    axes: str
    placement: Placement
    shape: tuple[int, ...]


class PreviewLayers:
    """Layers of one training; each preview replaces the pixels of those that are still there.

    Parameters
    ----------
    sources
        The stacks by name, so that a preview lies where its region is; others lie at the origin.
    """

    def __init__(self, viewer: ViewerModel, run: str, sources: dict[str, FuseRequest]) -> None:
        self._viewer, self._run, self._sources = viewer, run, sources

    def show(self, event: Event) -> None:
        """Show the pages of a `preview` event; one whose file cannot be read is left out, the next will follow."""
        try:
            pages = tifffile.imread(Path(event["path"]))
        except (OSError, ValueError):
            return
        if pages.ndim != 3 or len(pages) != len(event["pages"]):
            return
        known = dict(zip(event["pages"], pages, strict=True))
        for page, title in _NAMES.items():
            if page in known:
                self._show(page, f"{event['stack']} [{title}]", known[page], event)

    def _show(self, page: str, name: str, pixels: NDArray[np.float32], event: Event) -> None:
        place = self._place(event["stack"])
        slots = result_slots(place.axes, "TZCS")
        data: NDArray[Any] = pixels if page != "decision" else (pixels + 1).astype(np.uint8)
        layer = self._layer(page, event["stack"])
        if layer is not None and layer.data.shape == data.shape:
            layer.data = data
            return
        y0, _, x0, _ = event["box"]
        start = [{"Y": y0, "X": x0}.get(axis, 0) for axis in place.axes[: len(place.placement.scale)]]
        arguments = place.placement.shifted(start).keep(slots, place.shape).layer_arguments()
        arguments |= {"name": name, "metadata": {METADATA_KEY: self._binding(page, event["stack"])}}
        if page == "decision":
            planes = place.shape[place.axes.index("Z")] if "Z" in place.axes else int(data.max())
            self._viewer.add_layer(Labels(data, colormap=plane_colors(planes), opacity=1.0, **arguments))
        else:
            self._viewer.add_layer(Image(data, contrast_limits=(0.0, 1.0), **arguments))

    def _place(self, stack: str) -> _Place:
        source = self._sources.get(stack) or self._sources.get(stack.rpartition(" at time ")[0])
        if source is None:
            return _Place("YX", Placement.plain(("y", "x")), (1, 1))
        return _Place(source.axes, source.placement, source.shape)

    def _layer(self, page: str, stack: str) -> Layer | None:
        wanted = self._binding(page, stack)
        return next((layer for layer in self._viewer.layers if layer.metadata.get(METADATA_KEY) == wanted), None)

    def _binding(self, page: str, stack: str) -> dict[str, str]:
        return {"role": f"training-{page}", "run": self._run, "source": stack}
