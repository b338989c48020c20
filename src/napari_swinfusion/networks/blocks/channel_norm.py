"""Layer normalisation over the channels of each pixel, with or without an offset."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_swinfusion.errors import ConfigError

NormKind = Literal["with-bias", "bias-free"]
EPSILON = 1e-5


class ChannelNorm(nn.Module):
    """Normalise `(b, c, h, w)` over c at each pixel, then scale each channel.

    Parameters
    ----------
    kind
        "with-bias": (x − mean) / deviation · weight + bias. "bias-free": x / deviation · weight, which keeps the mean
        (Restormer, arXiv 2111.09881, after Mohan et al., arXiv 1906.05478: without offsets a denoiser generalises to
        noise levels it has not seen).

    Raises
    ------
    ConfigError
        If there is no such kind.
    """

    def __init__(self, dim: int, kind: NormKind = "with-bias") -> None:
        super().__init__()
        if kind not in get_args(NormKind):
            raise ConfigError(f"There is no normalisation {kind!r}; choose {' or '.join(get_args(NormKind))}.")
        self.weight = nn.Parameter(torch.ones(dim))
        self.bias = nn.Parameter(torch.zeros(dim)) if kind == "with-bias" else None

    def forward(self, image: Tensor) -> Tensor:
        """Return `image` normalised, same shape."""
        if self.bias is None:
            variance = image.var(1, keepdim=True, correction=0)
            return image * (variance + EPSILON).rsqrt() * self.weight[:, None, None]
        last = functional.layer_norm(image.movedim(1, -1), self.weight.shape, self.weight, self.bias, EPSILON)
        return last.movedim(-1, 1)
