"""How much of the edges of one or several images is missing in the fused image: the metric Q^AB/F, to learn from."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from napari_swinfusion.losses.filters import sobel

# Steepness and centre of the two sigmoids, as published.
_STRENGTH = (15.0, 0.5)
_ORIENTATION = (22.0, 0.8)
# A Sobel response below which hardly anything is an edge; a step of 8 bits has 0.016.
_NONE = 1e-3


def edge_transfer_loss(image: Tensor, sources: Tensor) -> Tensor:
    """Return 1 − Q^AB/F (Xydeas and Petrovic, Electron. Lett. 36, 2000) of an image and its sources, `(b,)`.

    0 is a perfect copy. The formula is that of the metric `qabf`, but each sigmoid is scaled to reach 1, and where
    nothing has an edge nothing is lost, so that the gradient stays finite. An edge counts by its strength, and what is
    lost of it by ratio: half of a fibre's contrast is as much of that fibre as of an outline.

    Parameters
    ----------
    image
        `(b, h, w)`.
    sources
        `(b, n, h, w)`: any number, of which only edges count.
    """
    weight, *source_direction = _edges(sources)
    strength, *direction = (part.unsqueeze(1) for part in _edges(image))
    ratio = torch.minimum(weight, strength) / torch.maximum(weight, strength)
    across = (source_direction[0] * direction[1] - source_direction[1] * direction[0]).abs()
    along = (source_direction[0] * direction[0] + source_direction[1] * direction[1]).abs()
    likeness = 1 - torch.atan2(across, along + _NONE) / (math.pi / 2)
    kept = weight * _sigmoid(ratio, *_STRENGTH) * _sigmoid(likeness, *_ORIENTATION)
    return 1 - kept.sum((1, 2, 3)) / weight.sum((1, 2, 3))


def _edges(image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return strength of the Sobel gradient, and the unit vector along it, y and x."""
    along_y, along_x = sobel(image)
    strength = (along_y.square() + along_x.square() + _NONE**2).sqrt()
    return strength, along_y / strength, along_x / strength


def _sigmoid(value: Tensor, steepness: float, centre: float) -> Tensor:
    """Return the sigmoid of `value`, scaled to be 1 at 1."""
    top = 1 / (1 + math.exp(-steepness * (1 - centre)))
    return torch.sigmoid(steepness * (value - centre)) / top


class EdgeTransferLoss(nn.Module):
    """`edge_transfer_loss`."""

    def forward(self, image: Tensor, sources: Tensor) -> Tensor:
        """Return the loss `(b,)`."""
        return edge_transfer_loss(image, sources)
