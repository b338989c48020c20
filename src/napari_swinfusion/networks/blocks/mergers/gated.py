"""Gated fusion: at each token and channel every source gets a share, by how much its own features ask for it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from napari_swinfusion.networks.blocks.entry import Block


class GatedMerger(Block):
    """Weighted mean of the sources, the weights a softmax over n of a learned score of each source.

    After document 002 and the gated multimodal unit (Arevalo et al., arXiv 1702.01992), which for two sources takes
    z · x₁ + (1 − z) · x₂ with z = sigmoid(W₁ x₁ + W₂ x₂). Changed: softmax(W x) over n, which for two sources is that
    gate with W₂ = −W₁; so it takes any number, and to swap two sources swaps their shares.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        # No bias: a softmax does not see it.
        self.score = nn.Conv2d(dim, dim, 1, bias=False)

    def forward(self, sources: Tensor) -> Tensor:
        """Return `(b, c, h, w)` from sources `(b, n, c, h, w)`."""
        scores = self.score(sources.flatten(0, 1)).unflatten(0, sources.shape[:2])
        return torch.einsum("bnchw,bnchw->bchw", scores.softmax(1), sources)
