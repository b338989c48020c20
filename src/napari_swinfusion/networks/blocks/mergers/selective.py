"""Selective fusion (MSF): each channel goes to the sources that are strong in it around here."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from napari_swinfusion.networks.blocks.channel_norm import ChannelNorm
from napari_swinfusion.networks.blocks.entry import Block
from napari_swinfusion.networks.blocks.local import local_mean, reach_of_mean


class SelectiveMerger(Block):
    """Weighted mean of the sources, the weights from the mean of each channel: softmax over n of sigmoid(W mean).

    After document 002 and SHISRCNet (Xie et al., MICCAI 2023, arXiv 2306.14119). Changed: one W for all sources, so
    that n is free; means over a window, because in a focal stack another plane is sharp in another place (the whole
    image, as in the paper, is `window=None` and has no finite reach); normalisation over channels instead of over the
    batch, so that the samples of a batch stay apart. Kept: with the sigmoid no source gets more than e times the
    share of another.

    Parameters
    ----------
    window
        Side of the window of the means, in tokens, odd; None is the whole image.
    """

    def __init__(self, dim: int, *, window: int | None = 15) -> None:
        super().__init__()
        self.layers, self.window = (reach_of_mean(window),), window
        self.score = nn.Conv2d(dim, dim, 1, bias=False)
        self.project = nn.Sequential(nn.Conv2d(dim, dim, 1, bias=False), ChannelNorm(dim), nn.ReLU())

    def forward(self, sources: Tensor) -> Tensor:
        """Return `(b, c, h, w)` from sources `(b, n, c, h, w)`."""
        merged: Tensor = self.project(self.select(sources))
        return merged

    def select(self, sources: Tensor) -> Tensor:
        """Return the weighted mean alone, before the projection."""
        scores = self.score(local_mean(sources.flatten(0, 1), self.window)).sigmoid()
        shares = scores.unflatten(0, sources.shape[:2]).softmax(1).expand_as(sources)
        return torch.einsum("bnchw,bnchw->bchw", shares, sources)
