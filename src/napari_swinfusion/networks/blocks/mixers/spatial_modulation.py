"""Spatially adaptive feature modulation (SAFM): a gate made from the features at four scales."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_swinfusion.errors import ConfigError
from napari_swinfusion.networks.blocks.entry import Block
from napari_swinfusion.networks.blocks.local import padded
from napari_swinfusion.networks.blocks.reach import Cells


class SpatialModulationMixer(Block):
    """The input times GELU(W [parts]): each part of the channels is filtered at its own scale.

    After document 002 and Sun et al. (ICCV 2023, arXiv 2302.13800). Changed: channels that the levels do not divide are
    parted as evenly as goes; maxima are taken on a grid of 2 ** (levels − 1) tokens, where the document's cells change
    their size with the image, so that the same token meets the same neighbours in every tile.

    Parameters
    ----------
    levels
        Number of scales: 1, 2, 4, ... tokens.
    """

    def __init__(self, dim: int, *, levels: int = 4) -> None:
        super().__init__()
        if not 1 <= levels <= dim:
            raise ConfigError(f"{dim} channels cannot be parted into {levels} levels; give at most {dim}.")
        self.sizes = [dim // levels + (level < dim % levels) for level in range(levels)]
        self.filters = nn.ModuleList(nn.Conv2d(size, size, 3, padding=1, groups=size) for size in self.sizes)
        self.join = nn.Conv2d(dim, dim, 1)
        coarsest = 2 ** (levels - 1)
        self.layers = (Cells(coarsest), coarsest, Cells(coarsest))

    def forward(self, image: Tensor) -> Tensor:
        """Return `(b, c, h, w)` mixed."""
        height, width = image.shape[-2:]
        parts = []
        for level, part in enumerate(torch.split(padded(image, self.multiple), self.sizes, dim=1)):
            coarse = self.filters[level](functional.max_pool2d(part, 2**level))
            parts.append(functional.interpolate(coarse, scale_factor=2**level, mode="nearest"))
        gate = functional.gelu(self.join(torch.cat(parts, dim=1)))
        return gate[..., :height, :width] * image
