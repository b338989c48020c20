"""Multi-feature extraction (MFE): convolutions with ever wider gaps, of which each channel takes what suits it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_swinfusion.networks.blocks.channel_norm import ChannelNorm
from napari_swinfusion.networks.blocks.entry import Block
from napari_swinfusion.networks.blocks.mergers.selective import SelectiveMerger


class DilatedMixer(Block):
    """A chain of 3 × 3 convolutions of growing dilation, each fed its forerunner plus the input, then selected among.

    After document 002 (MFE of SHISRCNet, arXiv 2306.14119); it is also the dilated convolution that document 003 asks
    for. Changed as in `SelectiveMerger`, which makes the selection: means over a window, normalisation over channels.

    Parameters
    ----------
    dilations
        Gaps of the convolutions after the first, which has none.
    window
        Side of the window of the selection, in tokens, odd; None is the whole image.
    """

    def __init__(self, dim: int, *, dilations: tuple[int, ...] = (2, 4, 8), window: int | None = 15) -> None:
        super().__init__()
        steps = (1, *dilations)
        self.convolutions = nn.ModuleList(
            nn.Conv2d(dim, dim, 3, padding=step, dilation=step, bias=False) for step in steps
        )
        self.norms = nn.ModuleList(ChannelNorm(dim) for _ in steps)
        self.merger = SelectiveMerger(dim, window=window)
        self.layers = (*steps, *self.merger.layers)

    def forward(self, image: Tensor) -> Tensor:
        """Return `(b, c, h, w)` mixed."""
        features = [torch.zeros_like(image)]
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            features.append(functional.relu(norm(convolution(features[-1] + image))))
        mixed: Tensor = self.merger.project(self.merger.select(torch.stack(features[1:], dim=1)) + image)
        return mixed
