"""Overlapping spatial reduction attention (OSRA): every token looks at a small copy of the whole image."""

from __future__ import annotations

from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional

from napari_swinfusion.networks.blocks.channel_norm import ChannelNorm
from napari_swinfusion.networks.blocks.entry import Block
from napari_swinfusion.networks.blocks.heads import check_heads
from napari_swinfusion.networks.blocks.local import padded


class ReducedAttentionMixer(Block):
    """Attention whose keys and values come from the image reduced by a strided, overlapping convolution.

    After document 002 and TransXNet (Lou et al., arXiv 2310.19380). Changed: normalisation over channels instead of
    over the batch; the scaling of each channel after it is gone, as the next convolution can do it; no table of
    positions, which would fix the size of the image; edges padded so that no token goes unseen. It sees the whole
    image: no finite reach.

    Parameters
    ----------
    num_heads
        Must divide `dim`.
    reduction
        Tokens that become one, each way; TransXNet has 8 at its finest tokens, of 4 px.
    """

    layers = (None,)

    def __init__(self, dim: int, *, num_heads: int = 4, reduction: int = 8) -> None:
        super().__init__()
        check_heads(dim, num_heads)
        self.num_heads, self.reduction = num_heads, reduction
        size = reduction + 3
        self.query = nn.Conv2d(dim, dim, 1)
        self.small = nn.Sequential(
            nn.Conv2d(dim, dim, size, stride=reduction, padding=2, groups=dim, bias=False),
            ChannelNorm(dim),
            nn.GELU(),
        )
        self.local = nn.Conv2d(dim, dim, 3, padding=1, groups=dim)
        self.key_value = nn.Conv2d(dim, 2 * dim, 1)

    def forward(self, image: Tensor) -> Tensor:
        """Return `(b, c, h, w)` mixed."""
        small = self.small(padded(image, self.reduction))
        small = small + self.local(small)
        query, key, value = (
            rearrange(part, "b (g c) h w -> b g (h w) c", g=self.num_heads)
            for part in (self.query(image), *self.key_value(small).chunk(2, dim=1))
        )
        mixed = functional.scaled_dot_product_attention(query, key, value)
        result: Tensor = rearrange(mixed, "b g (h w) c -> b (g c) h w", h=image.shape[2])
        return result
