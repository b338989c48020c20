"""What a run needs to know of napari's image layers, read once in the main thread."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from napari.layers import Image, Labels, Layer

from napari_swinfusion.tiling import Box
from napari_swinfusion.viewer.placement import Placement
from napari_swinfusion.viewer.request import LayerView, Region


def view_of(layer: Image | Labels) -> LayerView:
    """Return what a run needs to know of `layer`, as it is now."""
    grey = isinstance(layer, Image) and not layer.rgb
    place = Placement(
        scale=tuple(float(s) for s in layer.scale),
        translate=tuple(float(t) for t in layer.translate),
        units=tuple(str(unit) for unit in layer.units),
        axis_labels=tuple(layer.axis_labels),
        turn=_turn(layer),
    )
    return LayerView(
        key=str(layer.unique_id),
        name=layer.name,
        data=layer.data[0] if layer.multiscale else layer.data,
        placement=place,
        rgb=isinstance(layer, Image) and layer.rgb,
        contrast_limits=tuple(layer.contrast_limits) if grey else None,
        colormap=layer.colormap if grey else None,
    )


def _turn(layer: Layer) -> tuple[tuple[float, ...], ...]:
    # What data_to_world does beyond scale and translate, as one matrix: rotation, shear and affine in any mixture.
    n = layer.ndim
    origin = np.array(layer.data_to_world([0.0] * n))
    world = np.eye(n + 1)
    world[:n, n] = origin
    for axis, unit in enumerate(np.eye(n)):
        world[:n, axis] = np.array(layer.data_to_world(list(unit))) - origin
    plain = np.diag([*layer.scale, 1.0])
    plain[:n, n] = layer.translate
    turn = world @ np.linalg.inv(plain)
    return tuple(tuple(float(value) for value in row) for row in np.round(turn, 12))


def visible_region(layer: Image, axes: str, point: Sequence[float]) -> Region:
    """Return the part of `layer` in the canvas, at the time point of the sliders (`point` in world coordinates)."""
    corners = np.asarray(layer.corner_pixels, dtype=float)
    if layer.multiscale:
        corners = corners * layer.downsample_factors[layer.data_level]
    size = (layer.data[0] if layer.multiscale else layer.data).shape
    y, x = axes.index("Y"), axes.index("X")
    (y0, x0), (y1, x1) = corners[:, [y, x]].astype(int)
    box = Box(int(y0), int(y1) + 1, int(x0), int(x1) + 1).clipped(size[y], size[x])
    time = 0
    if "T" in axes:
        t = axes.index("T")
        time = int(np.clip(round(float(layer.world_to_data(point)[t])), 0, size[t] - 1))
    return Region(box=box, time=time)
