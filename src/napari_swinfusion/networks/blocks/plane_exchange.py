"""How the planes of a stack see each other: cheap, for any number of planes, aware of their order."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_swinfusion.networks.blocks.bands import in_bands


class PlaneExchange(nn.Module):
    """Compare every plane with the mean and the maximum over all planes and with its two neighbours along z.

    Per token: f + W(zconv(gelu(A f + B [mean, max]))), where zconv takes three neighbouring planes channel by
    channel. It reaches no further in space than the token itself.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.own = nn.Linear(dim, dim)
        self.shared = nn.Linear(2 * dim, dim, bias=False)
        taps = torch.zeros(3, dim)
        taps[1] = 1.0
        self.taps = nn.Parameter(taps)
        self.project = nn.Linear(dim, dim)

    def forward(self, tokens: Tensor, merged: Tensor | None = None) -> Tensor:
        """Return the tokens `(b, n, h, w, dim)` after the exchange over n.

        `merged` `(b, h, w, dim)`, what a merger made of the planes, takes the place of their mean.
        """
        flat = tokens.flatten(2, 3)
        if merged is None:
            return in_bands(self._exchange, flat, axis=2).view(tokens.shape)

        def step(band: Tensor) -> Tensor:
            first, planes = band[:, :1], band[:, 1:]
            return torch.cat([first, self._exchange(planes, first)], dim=1)

        both = torch.cat([merged.flatten(1, 2).unsqueeze(1), flat], dim=1)
        return in_bands(step, both, axis=2)[:, 1:].view(tokens.shape)

    def _exchange(self, tokens: Tensor, mean: Tensor | None = None) -> Tensor:
        mean = tokens.mean(1, keepdim=True) if mean is None else mean
        over_planes = torch.cat([mean, tokens.amax(1, keepdim=True)], dim=-1)
        shared = functional.linear(over_planes, self.shared.weight, self.own.bias)
        compared = functional.gelu(functional.linear(tokens, self.own.weight).add_(shared))
        below, here, above = self.taps.to(compared.dtype)
        mixed = compared * here
        mixed[:, 1:].addcmul_(compared[:, :-1], below)
        mixed[:, :-1].addcmul_(compared[:, 1:], above)
        result: Tensor = self.project(mixed) + tokens
        return result
