"""Multi-scale attention aggregation: each token attends to its surroundings at three scales and takes what it needs."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from napari_swinfusion.networks.blocks.entry import Block
from napari_swinfusion.networks.blocks.mergers.gated import GatedMerger


class MultiScaleMixer(Block):
    """Depthwise filters of several sizes, mixed at each token and channel by a softmax over the sizes.

    Document 002 names this block and shows no code. Designed here: the name and the sizes 3, 5 and 7 are those of the
    MSAA module of CM-UNet (Liu et al., arXiv 2405.10530), which adds the scales and weighs the sum by attention over
    channels and over tokens. Here the scales themselves are attended to, by `GatedMerger`, so that fine and coarse
    structure each get their own scale, in a finite reach.

    Parameters
    ----------
    kernel_sizes
        Sides of the filters, in tokens, odd.
    """

    def __init__(self, dim: int, *, kernel_sizes: tuple[int, ...] = (3, 5, 7)) -> None:
        super().__init__()
        self.filters = nn.ModuleList(nn.Conv2d(dim, dim, size, padding=size // 2, groups=dim) for size in kernel_sizes)
        self.merger = GatedMerger(dim)
        self.project = nn.Conv2d(dim, dim, 1)
        self.layers = (max(kernel_sizes) // 2,)

    def forward(self, image: Tensor) -> Tensor:
        """Return `(b, c, h, w)` mixed."""
        scales = torch.stack([scale(image) for scale in self.filters], dim=1)
        mixed: Tensor = self.project(self.merger(scales))
        return mixed
