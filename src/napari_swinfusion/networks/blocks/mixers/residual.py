"""How a network takes a mixer in: tokens plus what the mixer makes of them, normalised before."""

from __future__ import annotations

from torch import Tensor, nn

from napari_swinfusion.networks.blocks.entry import Block
from napari_swinfusion.networks.blocks.layer_norm import LayerNorm


class MixerResidual(nn.Module):
    """tokens + mixer(norm(tokens)), on tokens `(b, h, w, dim)`."""

    def __init__(self, mixer: Block, dim: int) -> None:
        super().__init__()
        self.norm = LayerNorm(dim)
        self.mixer = mixer

    def forward(self, tokens: Tensor) -> Tensor:
        """Return `(b, h, w, dim)`."""
        mixed = self.mixer(self.norm(tokens).movedim(-1, 1))
        result: Tensor = tokens + mixed.movedim(1, -1)
        return result
