"""The layers a run leaves behind: fused image, decision map, confidence and, if asked, depth, bound to their source.

A new run on the same source replaces the data of the earlier result layers where their shape still matches and they
are still in the viewer; otherwise it adds new ones. A run that does not finish leaves nothing: what it added goes,
what it replaced comes back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer
from napari.utils.colormaps import DirectLabelColormap, ensure_colormap
from numpy.typing import NDArray
from qtpy.QtCore import QEventLoop
from qtpy.QtWidgets import QApplication

from napari_swinfusion.focal_stack import FocalStack, FusedImage
from napari_swinfusion.viewer.placement import result_slots, with_slabs
from napari_swinfusion.viewer.request import FuseRequest, Region

if TYPE_CHECKING:
    from napari_swinfusion.pipeline import FusedTile

METADATA_KEY = "napari-swinfusion"
_CANONICAL = "TCSYX"


def is_result(layer: Layer) -> bool:
    """Return whether this plugin made `layer`."""
    return METADATA_KEY in layer.metadata


class Results(Protocol):
    """What becomes of a run in the viewer.

    Layers are shown in steps: napari takes long to add one, and between two of them the window has its turn.
    """

    def show_tiles(self, tiles: Sequence[FusedTile]) -> Iterator[None]:
        """Show finished tiles."""

    def finish(self, result: FusedImage) -> Iterator[None]:
        """Show the final result."""

    def discard(self) -> None:
        """Take back what was shown."""


def results_for(viewer: ViewerModel, request: FuseRequest, stack: FocalStack) -> Results:
    """Return the place for the results of `request`, whose opened stack is `stack`."""
    if request.region is not None:
        return PreviewLayer(viewer, request, stack, request.region)
    return ResultLayers(viewer, request, stack)


@dataclass
class _Part:
    """One result layer of a run.

    Attributes
    ----------
    pixels
        Takes this part's array out of a `FusedTile` or a `FusedImage`.
    dropped
        The axes of the stack that this part lacks.
    canvas
        Array (T, C, S, Y, X), length 1 where dropped, that tiles are written to; the layer shows a view of it.
    layer, earlier
        The layer once it is shown, and the data it had before this run (None where this run added it).
    """

    role: str
    dropped: str
    dtype: np.dtype[Any]
    pixels: Callable[[Any], NDArray[Any]]
    canvas: NDArray[Any] | None = None
    layer: Layer | None = None
    earlier: Any = None
    look: dict[str, Any] = field(default_factory=dict)


class ResultLayers:
    """The layers of a whole run; they appear with the first tile and fill up."""

    def __init__(self, viewer: ViewerModel, request: FuseRequest, stack: FocalStack) -> None:
        self._viewer = viewer
        self._request = request
        self._stack = stack
        labels = np.dtype(np.uint8 if stack.n_planes < 255 else np.uint16)
        each = request.options.decide_on == "each" and stack.size("C") > 1
        no_map = "ZS" if each else "ZCS"
        depth = _Part(
            "depth", no_map, np.dtype(np.float32), lambda made: made.depth,
            look={"contrast_limits": (0.0, float(stack.n_planes - 1)), "colormap": "turbo"},
        )  # fmt: skip
        # From the bottom of the layer list to its top, so that the fused image covers the maps.
        self._parts = [
            # One from an earlier run would else tell of another result than its neighbours.
            *([depth] if request.show_depth or self._layer_of("depth") is not None else []),
            _Part(
                "confidence", no_map, np.dtype(np.float32), lambda made: made.confidence,
                look={"contrast_limits": (0.0, 1.0), "colormap": "inferno"},
            ),
            _Part(
                "decision", no_map, labels, lambda made: (made.decision + 1).astype(labels),
                look={"colormap": plane_colors(stack.n_planes), "opacity": 1.0},
            ),
            _Part("fused", "Z", stack.dtype, lambda made: made.image, look=_source_look(request, stack)),
        ]  # fmt: skip

    def show_tiles(self, tiles: Sequence[FusedTile]) -> Iterator[None]:
        """Write `tiles` into the layers and redraw each once; a new layer a step."""
        for part in self._parts if tiles else ():
            if part.canvas is None:
                size = [1 if axis in part.dropped else self._stack.size(axis) for axis in _CANONICAL]
                part.canvas = np.zeros(size, part.dtype)
            for tile in tiles:
                rows, columns = tile.box.slices
                channels = slice(None) if tile.channel is None else slice(tile.channel, tile.channel + 1)
                target = part.canvas[tile.time, channels, :, rows, columns]
                target[...] = part.pixels(tile).reshape(target.shape)
            if part.layer is not None:
                part.layer.refresh(extent=False)
        for part in self._parts:
            if part.canvas is not None and part.layer is None:
                self._show(part, self._layer_view(part, part.canvas))
                yield

    def finish(self, result: FusedImage) -> Iterator[None]:
        """Show the final arrays, with the provenance in `layer.metadata`; a layer a step."""
        _remove_preview(self._viewer, self._request)
        for part in self._parts:
            array = with_slabs(part.pixels(result), result_slots(self._stack.axes, part.dropped))
            layer = self._show(part, array)
            layer.metadata[METADATA_KEY] |= {"provenance": result.provenance, "notices": list(result.notices)}
            yield
        self._parts = []

    def discard(self) -> None:
        """Remove what this run added and bring back what it replaced."""
        for part in self._parts:
            if part.layer is None or part.layer not in self._viewer.layers:
                continue
            if part.earlier is None:
                _remove(self._viewer, part.layer)
            else:
                part.layer.data = part.earlier
        self._parts = []

    def _layer_view(self, part: _Part, canvas: NDArray[Any]) -> NDArray[Any]:
        keep = self._stack.axes_without(part.dropped)
        part_view = canvas[tuple(slice(None) if axis in keep else 0 for axis in _CANONICAL)]
        left = "".join(axis for axis in _CANONICAL if axis in keep)
        ordered = part_view.transpose([left.index(axis) for axis in keep])
        return with_slabs(ordered, result_slots(self._stack.axes, part.dropped))

    def _show(self, part: _Part, array: NDArray[Any]) -> Layer:
        if part.layer is None:
            part.layer = self._layer_of(part.role, array.shape)
            part.earlier = None if part.layer is None else part.layer.data
        if part.layer is None or part.layer not in self._viewer.layers:
            part.layer = self._viewer.add_layer(self._new_layer(part, array))
            part.earlier = None
            self._sink(part.layer, part.role)
        else:
            part.layer.data = array
        return part.layer

    def _sink(self, layer: Layer, role: str) -> None:
        """Move a new layer below those of an earlier run that belong above it."""
        roles = [part.role for part in self._parts]
        above = [self._layer_of(later) for later in roles[roles.index(role) + 1 :]]
        places = [self._viewer.layers.index(other) for other in above if other is not None]
        if places and min(places) < self._viewer.layers.index(layer):
            self._viewer.layers.move(self._viewer.layers.index(layer), min(places))

    def _layer_of(self, role: str, shape: tuple[int, ...] | None = None) -> Layer | None:
        """Return the layer of that role, and shape, that a run on the same source left in the viewer."""
        for layer in self._viewer.layers:
            mine = layer.metadata.get(METADATA_KEY, {})
            same_source = mine.get("role") == role and mine.get("source_key") == self._request.key
            if same_source and shape in (None, layer.data.shape):
                return layer
        return None

    def _new_layer(self, part: _Part, array: NDArray[Any]) -> Layer:
        slots = result_slots(self._stack.axes, part.dropped)
        place = self._request.placement.keep(slots, self._request.shape)
        kind = Labels if part.role == "decision" else Image
        return kind(
            array,
            name=f"{self._request.name} [{part.role}]",
            metadata=_binding(self._request, part.role),
            **part.look,
            **place.layer_arguments(),
        )


class PreviewLayer:
    """The single layer of a preview, shown when it is done and removed by the next preview or run."""

    def __init__(self, viewer: ViewerModel, request: FuseRequest, stack: FocalStack, region: Region) -> None:
        self._viewer = viewer
        self._request = request
        self._stack = stack
        self._region = region

    def show_tiles(self, tiles: Sequence[FusedTile]) -> Iterator[None]:  # noqa: ARG002
        """Show nothing yet: a preview takes a moment."""
        return iter(())

    def finish(self, result: FusedImage) -> Iterator[None]:
        """Show the fused region where it lies in the source; one step."""
        _remove_preview(self._viewer, self._request)
        axes = self._stack.axes
        slots = result_slots(axes, "Z")
        start = {"Y": self._region.box.y0, "X": self._region.box.x0, "T": self._region.time}
        place = self._request.placement
        place = place.shifted([start.get(axis, 0) for axis in self._request.axes[: len(place.scale)]])
        layer = Image(
            with_slabs(result.image, slots),
            name=f"{self._request.name} [preview]",
            metadata=_binding(self._request, "preview", provenance=result.provenance),
            **_source_look(self._request, self._stack),
            **place.keep(slots, self._request.shape).layer_arguments(),
        )
        self._viewer.add_layer(layer)
        yield

    def discard(self) -> None:
        """Do nothing: nothing was shown."""


def _remove_preview(viewer: ViewerModel, request: FuseRequest) -> None:
    for layer in list(viewer.layers):
        mine = layer.metadata.get(METADATA_KEY, {})
        if mine.get("role") == "preview" and mine.get("source_key") == request.key:
            _remove(viewer, layer)


def _remove(viewer: ViewerModel, layer: Layer) -> None:
    viewer.layers.remove(layer)
    # vispy crashes in a later draw where two layers go without a redraw between them.
    QApplication.processEvents(QEventLoop.ProcessEventsFlag.ExcludeUserInputEvents)


def _binding(request: FuseRequest, role: str, **more: Any) -> dict[str, Any]:
    return {METADATA_KEY: {"role": role, "source": request.name, "source_key": request.key, **more}}


def _source_look(request: FuseRequest, stack: FocalStack) -> dict[str, Any]:
    if "S" in stack.axes:
        return {"rgb": True}
    source = request.views[0]
    look: dict[str, Any] = {"rgb": False}
    if source.contrast_limits is not None:
        look |= {"contrast_limits": source.contrast_limits, "colormap": source.colormap}
    return look


def plane_colors(n_planes: int) -> DirectLabelColormap:
    """Return the colours of decision labels: planes are an order, so their colours are one too, as in a depth map."""
    colors = ensure_colormap("turbo").map(np.linspace(0.08, 0.92, n_planes))
    return DirectLabelColormap(color_dict={None: "transparent", 0: "transparent", **dict(enumerate(colors, start=1))})
