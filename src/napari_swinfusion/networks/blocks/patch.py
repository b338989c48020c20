"""Between a feature map at full resolution and tokens, one for each patch."""

from __future__ import annotations

from einops import rearrange
from torch import Tensor, nn


class PatchEmbed(nn.Module):
    """Make one token of each patch of a map `(b, h, w, dim)`, then normalise it.

    With patches of 1 px a pixel is its token, as published; larger patches pass through a linear layer.
    """

    def __init__(self, dim: int, patch_size: int, norm: nn.Module | None = None) -> None:
        super().__init__()
        self.patch_size = patch_size
        self.embed = nn.Linear(dim * patch_size**2, dim) if patch_size > 1 else nn.Identity()
        self.norm = norm or nn.Identity()

    def forward(self, image: Tensor) -> Tensor:
        """Return the tokens `(b, h / patch, w / patch, dim)`."""
        size = self.patch_size
        tokens: Tensor = self.norm(self.embed(rearrange(image, "... (h i) (w j) c -> ... h w (i j c)", i=size, j=size)))
        return tokens


class PatchUnembed(nn.Module):
    """Make a map `(b, h, w, dim)` of tokens `(b, h / patch, w / patch, dim)` again."""

    def __init__(self, dim: int, patch_size: int) -> None:
        super().__init__()
        self.patch_size = patch_size
        self.spread = nn.Linear(dim, dim * patch_size**2) if patch_size > 1 else nn.Identity()

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the map."""
        size = self.patch_size
        image: Tensor = rearrange(self.spread(tokens), "... h w (i j c) -> ... (h i) (w j) c", i=size, j=size)
        return image
