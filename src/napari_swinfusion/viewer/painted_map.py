"""An empty map over a stack, in which the user paints the numbers of the sharp planes."""

from __future__ import annotations

import numpy as np
from napari.layers import Image, Labels

from napari_swinfusion.viewer.layers import view_of
from napari_swinfusion.viewer.placement import result_slots
from napari_swinfusion.viewer.results import plane_colors


def new_painted_map(stack: Image) -> Labels:
    """Return a map `(y, x)` that lies over `stack`, all 0: nothing is painted, and the brush is at hand.

    Raises
    ------
    InputError
        If the axes of `stack` cannot be told.
    """
    view = view_of(stack)
    axes, shape = view.axes(), tuple(view.data.shape)
    n_planes = shape[axes.index("Z")]
    layer = Labels(
        np.zeros((shape[axes.index("Y")], shape[axes.index("X")]), np.uint8 if n_planes < 256 else np.uint16),
        name=f"{stack.name} [painted]",
        colormap=plane_colors(n_planes),
        **view.placement.keep(result_slots(axes, "TZCS"), shape).layer_arguments(),
    )
    layer.brush_size = 40
    layer.mode = "paint"
    return layer


def plane_in_view(stack: Image, point: tuple[float, ...]) -> int:
    """Return which plane of `stack`, counted from 1, the sliders show at `point` in world coordinates.

    Raises
    ------
    InputError
        If the axes of `stack` cannot be told.
    """
    view = view_of(stack)
    z = view.axes().index("Z")
    return int(np.clip(round(float(stack.world_to_data(point)[z])), 0, view.data.shape[z] - 1)) + 1
