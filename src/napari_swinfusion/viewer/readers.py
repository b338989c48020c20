"""napari reader for TIFF, OME-TIFF and ImageJ TIFF stacks: it keeps scale, units and axis names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from napari.utils.notifications import show_info

from napari_swinfusion.focal_stack import FocalStack
from napari_swinfusion.io import read_stack

LayerData = tuple[Any, dict[str, Any], str]
Paths = str | Sequence[str]

_SUFFIXES = (".tif", ".tiff")
# What napari shows where a unit is not known.
_NO_UNIT = "pixel"


def get_reader(path: Paths) -> Callable[[Paths], list[LayerData]] | None:
    """Return `read` for TIFF files (several ones are the planes of one stack), None for anything else."""
    paths = [path] if isinstance(path, str) else list(path)
    return read if paths and all(p.casefold().endswith(_SUFFIXES) for p in paths) else None


def read(path: Paths) -> list[LayerData]:
    """Return one image layer; a file with a single plane becomes a plane layer without a focus axis."""
    stack = read_stack(path if isinstance(path, str) else [Path(p) for p in path])
    for notice in stack.notices:
        show_info(notice)
    return [layer_data_of(stack)]


def layer_data_of(stack: FocalStack) -> LayerData:
    """Return `stack` as napari's layer tuple, with scale, units and axis names."""
    data: Any = stack.data
    axes = stack.axes
    if stack.n_planes == 1:
        data = data[tuple(0 if axis == "Z" else slice(None) for axis in axes)]
        axes = stack.axes_without("Z")
    known = stack.metadata
    sizes: dict[str, tuple[float | None, str]] = {
        "T": (known.time_step, known.time_unit),
        "Z": (known.z_step, known.unit),
    }
    if known.pixel_size is not None:
        sizes |= {"Y": (known.pixel_size[0], known.unit), "X": (known.pixel_size[1], known.unit)}
    spatial = [axis for axis in axes if axis != "S"]
    measured = [sizes.get(axis, (None, _NO_UNIT)) for axis in spatial]
    arguments = {
        "name": stack.name,
        "rgb": "S" in axes,
        "axis_labels": tuple(axis.lower() for axis in spatial),
        "scale": tuple(size or 1.0 for size, _ in measured),
        "units": tuple(unit if size else _NO_UNIT for size, unit in measured),
    }
    return data, arguments, "image"
