"""The one question of the corridor, and its answer: for each pixel, how much of each plane."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from napari_swinfusion.progress import CancelToken, ProgressCallback
from napari_swinfusion.tiling import Box


class GreyPlanes(Protocol):
    """Normalised grey planes of one time point, read box by box so that no float copy of the stack exists."""

    @property
    def n_planes(self) -> int:
        """Number of planes."""
        ...

    @property
    def height(self) -> int:
        """Number of rows."""
        ...

    @property
    def width(self) -> int:
        """Number of columns."""
        ...

    def grey(self, box: Box, plane: int | None = None) -> NDArray[np.float32]:
        """Return `(n, h, w)` float32, finite, robustly scaled to about [0, 1]; `plane` reads one (n = 1)."""
        ...


@dataclass(frozen=True, kw_only=True)
class TileDecision:
    """The answer for one box of the image.

    Attributes
    ----------
    box
        The part of the image it answers for.
    weights
        float32 `(n, h, w)`, non-negative, summing to 1 over n.
    focus
        float32 `(n, h, w)`, summing to 1 over n: the probability that a plane is the truest single one;
        the decision map is its argmax. None where it is the same as `weights`.
    depth
        float32 `(h, w)`, finite: the place in z where a pixel is in focus, in planes of those that were shown, from 0,
        and fractions of them. None where `focus` tells it.
    image
        float32 `(h, w)` in the scale of the grey planes, where the decider paints an image of its own.
    """

    box: Box
    weights: NDArray[np.float32]
    focus: NDArray[np.float32] | None = None
    depth: NDArray[np.float32] | None = None
    image: NDArray[np.float32] | None = None


@dataclass(frozen=True, kw_only=True)
class DeciderInfo:
    """Facts about a decider for menus, tables and provenance.

    `value_preserving` is False where `TileDecision.image` is painted rather than chosen from measured values;
    `device` is where it computes, and `notices` what the user should know of that, one sentence each.
    """

    name: str
    summary: str
    value_preserving: bool = True
    sha256: str | None = None
    device: str = "cpu"
    notices: tuple[str, ...] = ()


class Decider(Protocol):
    """A focus measure, a pyramid or a network: anything that answers the question tile by tile."""

    @property
    def info(self) -> DeciderInfo:
        """Name and facts."""
        ...

    def decide(
        self,
        planes: GreyPlanes,
        *,
        progress: ProgressCallback | None = None,
        cancel: CancelToken | None = None,
    ) -> Iterator[TileDecision]:
        """Yield the answer box by box; the boxes cover the image once.

        `progress` is told after each tile; `cancel` is checked before each and raises `CancelledError`.
        """
        ...
