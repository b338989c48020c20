"""Convolutions on maps whose channels come last, as tokens have them: no value is moved."""

from __future__ import annotations

from torch import Tensor, nn


def convolve(layer: nn.Module, image: Tensor) -> Tensor:
    """Return `layer` of the map `(b, h, w, c)`, channels last again."""
    result: Tensor = layer(image.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
    return result
