"""Joint channel and spatial attention: what matters and where it lies are decided together."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from napari_swinfusion.networks.blocks.entry import Block


class ChannelSpatialMixer(Block):
    """The input times a weight for each channel times a weight for each token, both from one common summary.

    After CBAM (Woo et al., ECCV 2018, arXiv 1807.06521) as document 002 joins it: one MLP sees the descriptors of the
    channels and of all tokens, and answers both. There its width holds H × W, which ties the weights to one size of
    image. Changed to be free of size, with the joint idea kept: into the summary go the channels' descriptor and mean
    and maximum of the tokens' descriptor; out of it come the weights of the channels, and a scale and an offset with
    which each token's own descriptor becomes its weight. It sees the whole image: no finite reach.

    Parameters
    ----------
    reduction
        Channels over width of the summary, which has at least 4 values.
    kernel_size
        Side of the convolution that describes a token, odd.
    """

    layers = (None,)

    def __init__(self, dim: int, *, reduction: int = 8, kernel_size: int = 7) -> None:
        super().__init__()
        hidden = max(dim // reduction, 4)
        self.channels = nn.Sequential(nn.Linear(dim, hidden, bias=False), nn.ReLU(), nn.Linear(hidden, dim, bias=False))
        self.tokens = nn.Conv2d(2, 1, kernel_size, padding=kernel_size // 2)
        self.summary = nn.Sequential(nn.Linear(dim + 2, hidden), nn.ReLU())
        self.weigh_channels = nn.Linear(hidden, dim)
        self.weigh_tokens = nn.Linear(hidden, 2)

    def forward(self, image: Tensor) -> Tensor:
        """Return `(b, c, h, w)` mixed."""
        channels = self.channels(image.mean((2, 3))) + self.channels(image.amax((2, 3)))
        tokens = self.tokens(torch.cat([image.amax(1, keepdim=True), image.mean(1, keepdim=True)], dim=1))
        described = torch.cat([channels, tokens.mean((2, 3)), tokens.amax((2, 3))], dim=1)
        summary = self.summary(described)
        scale, offset = self.weigh_tokens(summary)[:, :, None, None].chunk(2, dim=1)
        where = torch.sigmoid((1 + scale) * tokens + offset)
        what: Tensor = self.weigh_channels(summary).sigmoid()[:, :, None, None]
        return image * what * where
