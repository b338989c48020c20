"""Where a result sits beside its source in the viewer: pure arithmetic on axes, no napari.

napari lines layers up by their last axes. A result without Z therefore lies wrong as soon as an axis stands before Z:
its T would follow the source's Z slider. Such a result keeps the dropped axis as a slab, one element thick in data
and as thick as the whole source in the world, so that every position of that slider shows it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Position of an array in the world, one entry an axis (colour samples have none).

    Attributes
    ----------
    scale, translate
        Size of an element and position of the first one's centre, in `units`.
    turn
        Affine matrix `(n + 1, n + 1)` applied after scale and translate: rotation, shear and the layer's own affine.
    """

    scale: tuple[float, ...]
    translate: tuple[float, ...]
    units: tuple[str, ...]
    axis_labels: tuple[str, ...]
    turn: tuple[tuple[float, ...], ...]

    @classmethod
    def plain(cls, axis_labels: Sequence[str]) -> Placement:
        """Return pixels at the origin."""
        n = len(axis_labels)
        turn = tuple(tuple(float(i == j) for j in range(n + 1)) for i in range(n + 1))
        return cls(
            scale=(1.0,) * n, translate=(0.0,) * n, units=("pixel",) * n, axis_labels=tuple(axis_labels), turn=turn
        )

    def keep(self, slots: Sequence[Slot], sizes: Sequence[int]) -> Placement:
        """Return the placement of a result that keeps `slots` of an array with `sizes`."""
        index = [slot.axis for slot in slots]
        thick = [sizes[slot.axis] if slot.slab else 1 for slot in slots]
        turn = np.asarray(self.turn)[np.ix_([*index, -1], [*index, -1])]
        return Placement(
            scale=tuple(self.scale[i] * n for i, n in zip(index, thick, strict=True)),
            translate=tuple(self.translate[i] + self.scale[i] * (n - 1) / 2 for i, n in zip(index, thick, strict=True)),
            units=tuple(self.units[i] for i in index),
            axis_labels=tuple(self.axis_labels[i] for i in index),
            turn=tuple(tuple(float(value) for value in row) for row in turn),
        )

    def shifted(self, start: Sequence[int]) -> Placement:
        """Return the placement of the part that begins at element `start`."""
        moved = [t + s * n for t, s, n in zip(self.translate, self.scale, start, strict=True)]
        return replace(self, translate=tuple(moved))

    def with_axis_in_front(self, label: str) -> Placement:
        """Return this placement with one more axis, in elements, before the others."""
        n = len(self.scale) + 1
        turn = np.eye(n + 1)
        turn[1:, 1:] = self.turn
        return Placement(
            scale=(1.0, *self.scale),
            translate=(0.0, *self.translate),
            units=("pixel", *self.units),
            axis_labels=(label, *self.axis_labels),
            turn=tuple(tuple(float(value) for value in row) for row in turn),
        )

    def layer_arguments(self) -> dict[str, Any]:
        """Return the keyword arguments that put a layer here."""
        arguments: dict[str, Any] = {
            "scale": self.scale,
            "translate": self.translate,
            "units": self.units,
            "axis_labels": self.axis_labels,
        }
        turn = np.asarray(self.turn)
        if not np.allclose(turn, np.eye(len(turn))):
            arguments["affine"] = turn
        return arguments


@dataclass(frozen=True)
class Slot:
    """One axis that a result keeps: `axis` of the source, as a `slab` where the result has no such axis."""

    axis: int
    slab: bool


def result_slots(axes: str, dropped: str) -> tuple[Slot, ...]:
    """Return what a result without the axes `dropped` keeps of a source with `axes`, colour samples left out."""
    first = next(i for i, axis in enumerate(axes) if axis not in dropped)
    return tuple(Slot(i, axis in dropped) for i, axis in enumerate(axes) if i >= first and axis != "S")


def with_slabs(array: NDArray[Any], slots: Sequence[Slot]) -> NDArray[Any]:
    """Return a view of `array` with a length-1 axis wherever a slot is a slab."""
    return np.expand_dims(array, tuple(i for i, slot in enumerate(slots) if slot.slab))
