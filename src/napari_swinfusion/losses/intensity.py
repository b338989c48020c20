"""Grey levels of the fused image against an aggregate of its sources."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from napari_swinfusion.losses.reconstruction import l1
from napari_swinfusion.losses.soft_target import soft_target

Aggregate = Literal["max", "mean", "sharpness"]


def intensity(image: Tensor, sources: Tensor, *, aggregate: Aggregate = "max") -> Tensor:
    """Return L1(image, aggregate of the sources) `(b,)`.

    Parameters
    ----------
    image
        `(b, h, w)`.
    sources
        `(b, n, h, w)`.
    aggregate
        "max": the brightest source, the document's `max(img1, img2)` for two; it lifts dark structures, as document
        003 warns. "mean": the mean of the sources. "sharpness": `soft_target`, document 003's remedy.
    """
    if aggregate == "max":
        return l1(image, sources.amax(1))
    return l1(image, sources.mean(1) if aggregate == "mean" else soft_target(sources))


class Intensity(nn.Module):
    """`intensity` with its `aggregate`."""

    def __init__(self, aggregate: Aggregate = "max") -> None:
        super().__init__()
        self.aggregate: Aggregate = aggregate

    def forward(self, image: Tensor, sources: Tensor) -> Tensor:
        """Return the loss `(b,)`."""
        return intensity(image, sources, aggregate=self.aggregate)
