"""Concatenation and a 3 × 3 convolution, for any number of sources."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_swinfusion.networks.blocks.entry import Block


class ConcatMerger(Block):
    """The sources side by side, convolved to one: the fusion layer of SwinFusion (Ma et al., 2022), documents 000, 001.

    Changed so that n is free: the convolution has weights for the first source and for the last, and a source between
    them gets the mixture of the two that its place in the order asks for, all times 2 / n. For two sources this is
    concatenation and a convolution, as published.
    """

    layers = (1,)

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(2 * dim, dim, 3, padding=1)

    def forward(self, sources: Tensor) -> Tensor:
        """Return `(b, c, h, w)` from sources `(b, n, c, h, w)`, in their order."""
        n = sources.shape[1]
        places = torch.linspace(0, 1, n, device=sources.device) if n > 1 else torch.tensor([0.5], device=sources.device)
        shares = (2 / n) * torch.stack([1 - places, places]).to(sources.dtype)
        ends = torch.einsum("en,bnchw->bechw", shares, sources).flatten(1, 2)
        return functional.leaky_relu(self.convolution(ends), 0.2)
