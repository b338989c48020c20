"""What the verbs accept, and the one sentence that says why something cannot be fused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_swinfusion.decide.base import Decider
from napari_swinfusion.errors import InputError
from napari_swinfusion.focal_stack import ArrayLike, FocalStack

Source = FocalStack | ArrayLike | str | Path | Sequence[Any]


def as_stack(source: Source, axes: str | None = None) -> FocalStack:
    """Return what was given as a `FocalStack` of at least two planes.

    Raises
    ------
    InputError
        If it has fewer than two planes, or its axes contradict `axes`.
    """
    stack = _to_stack(source, axes)
    if stack.n_planes < 2:
        raise InputError(
            f"'{stack.name}' has one plane, but fusion needs at least 2 planes; "
            "give a stack, a folder of planes or several files."
        )
    return stack


def _to_stack(source: Source, axes: str | None) -> FocalStack:
    if isinstance(source, FocalStack):
        return source if axes in (None, source.axes) else replace(source, axes=axes)
    if isinstance(source, (str, Path)):
        from napari_swinfusion.io import read_stack

        return read_stack(source, axes=axes)
    if isinstance(source, (list, tuple)):
        if source and all(isinstance(item, (str, Path)) for item in source):
            from napari_swinfusion.io import read_stack

            return read_stack(source, axes=axes)
        return FocalStack.from_planes([np.asarray(plane) for plane in source])
    if hasattr(source, "shape") and hasattr(source, "dtype"):
        return FocalStack.from_array(source, axes)
    raise InputError(f"A {type(source).__name__} cannot be fused; give an array, a path or a list of planes.")


def check_options(blend: str, prefer: str | None, prompt: str | None, tile: int | None) -> None:
    """Raise `InputError` for an option that does not exist."""
    if blend not in ("soft", "hard"):
        raise InputError(f"There is no blend {blend!r}; choose 'soft' or 'hard'.")
    if prefer not in (None, "top", "bottom"):
        raise InputError(f"There is no preference {prefer!r}; choose 'top', 'bottom' or None.")
    if prompt is not None:
        raise InputError("No shipped model takes a prompt yet; leave it out.")
    if tile is not None and tile < 1:
        raise InputError(f"A tile of {tile} px is too small; give at least 1, or leave it to the model.")


def check_decision(stack: FocalStack, decision: NDArray[Any]) -> NDArray[Any]:
    """Return the map as `(T, Y, X)`, or raise `InputError`."""
    wanted = tuple(stack.size(axis) for axis in stack.axes_without("ZCS"))
    if decision.shape != wanted:
        raise InputError(
            f"The decision map has shape {decision.shape}, but '{stack.name}' needs {wanted} "
            f"(axes {stack.axes_without('ZCS')})."
        )
    if decision.dtype.kind not in "ui":
        raise InputError(f"A decision map holds plane indices, not {decision.dtype}.")
    if decision.min() < 0 or decision.max() >= stack.n_planes:
        raise InputError(
            f"The decision map names planes {decision.min()} to {decision.max()}, "
            f"but '{stack.name}' has planes 0 to {stack.n_planes - 1}."
        )
    spelled = stack.axes_without("ZCS")
    moved = decision.transpose([spelled.index(axis) for axis in "TYX" if axis in spelled])
    return moved if "T" in spelled else moved[None]


def as_decider(model: str | Path | Decider, device: str, tile: int | None) -> Decider:
    """Return the decider that a name or a weights file stands for, or the given one."""
    if not isinstance(model, (str, Path)):
        return model
    from napari_swinfusion.decide.registry import make_decider

    return make_decider(model, device=device, tile=tile)


def channel_jobs(
    stack: FocalStack, decide_on: int | str | None
) -> list[tuple[FocalStack, int | None, int | str | None]]:
    """Return what is decided on its own: one job, or with "each" one a channel, as (stack, channel, decide_on)."""
    if decide_on != "each" or stack.size("C") == 1:
        return [(stack, None, None if decide_on == "each" else decide_on)]
    return [(_channel_of(stack, channel), channel, None) for channel in range(stack.size("C"))]


def _channel_of(stack: FocalStack, channel: int) -> FocalStack:
    names = stack.metadata.channel_names[channel : channel + 1]
    return replace(stack, data=_OneChannel(stack, channel), metadata=replace(stack.metadata, channel_names=names))


class _OneChannel:
    """A channel of a stack as an array-like of the same axes, so that nothing is copied before it is read."""

    def __init__(self, stack: FocalStack, channel: int) -> None:
        self._data, self._axis = stack.data, stack.axes.index("C")
        self._channel = slice(channel, channel + 1)
        self.shape = tuple(1 if i == self._axis else size for i, size in enumerate(stack.data.shape))
        self.dtype = stack.data.dtype

    def __getitem__(self, index: Any) -> Any:
        return self._data[tuple(self._channel if i == self._axis else part for i, part in enumerate(index))]
