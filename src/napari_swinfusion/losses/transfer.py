"""How much of the edges of one or several images arrives in the fused image: the metric Q^AB/F, to learn from."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from napari_swinfusion.losses.filters import sobel

# Steepness and centre of the two sigmoids, as published.
_STRENGTH = (15.0, 0.5)
_ORIENTATION = (22.0, 0.8)
# Of the Sobel response, a quarter of a step of 8 bits is 0.008: what is much weaker than this is no edge.
_NONE = 1e-3


def edge_transfer(image: Tensor, sources: Tensor) -> Tensor:
    """Return Q^AB/F (Xydeas and Petrovic, Electron. Lett. 36, 2000) of an image and its sources, `(b,)`.

    Larger is better, 1 is a perfect copy. The formula is that of the metric `qabf`, but each sigmoid is scaled to reach
    1, and where nothing has an edge all of it is kept, so that even images have a gradient. It compares by ratios: half
    of a faint edge lost counts as half of a strong one, by the share that either has in all edges.

    Parameters
    ----------
    image
        `(b, h, w)`.
    sources
        `(b, n, h, w)`: any number, of which only edges count.
    """
    weight, *there = _edges(sources)
    strength, *here = (part.unsqueeze(1) for part in _edges(image))
    ratio = torch.minimum(weight, strength) / torch.maximum(weight, strength)
    across = (there[0] * here[1] - there[1] * here[0]).abs()
    along = (there[0] * here[0] + there[1] * here[1]).abs()
    likeness = 1 - torch.atan2(across, along + _NONE) / (math.pi / 2)
    kept = weight * _rise(ratio, *_STRENGTH) * _rise(likeness, *_ORIENTATION)
    return kept.sum((1, 2, 3)) / weight.sum((1, 2, 3))


def _edges(image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return strength of the Sobel gradient, and the unit vector along it, y and x."""
    along_y, along_x = sobel(image)
    strength = (along_y.square() + along_x.square() + _NONE**2).sqrt()
    return strength, along_y / strength, along_x / strength


def _rise(value: Tensor, steepness: float, centre: float) -> Tensor:
    top = 1 / (1 + math.exp(-steepness * (1 - centre)))
    return torch.sigmoid(steepness * (value - centre)) / top


class EdgeTransfer(nn.Module):
    """`edge_transfer`, as what is missing to 1."""

    def forward(self, image: Tensor, sources: Tensor) -> Tensor:
        """Return the loss `(b,)`."""
        return 1 - edge_transfer(image, sources)
