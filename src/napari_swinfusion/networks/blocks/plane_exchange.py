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
        if merged is None:
            return in_bands(self._exchange, tokens, axis=2)

        def step(band: Tensor) -> Tensor:
            first, planes = band[:, :1], band[:, 1:]
            return torch.cat([first, self._exchange(planes, first)], dim=1)

        return in_bands(step, torch.cat([merged.unsqueeze(1), tokens], dim=1), axis=2)[:, 1:]

    def _exchange(self, tokens: Tensor, mean: Tensor | None = None) -> Tensor:
        mean = tokens.mean(1, keepdim=True) if mean is None else mean
        over_planes = torch.cat([mean, tokens.amax(1, keepdim=True)], dim=-1)
        compared = functional.gelu(self.own(tokens) + self.shared(over_planes))
        padded = functional.pad(compared, (0, 0, 0, 0, 0, 0, 1, 1))
        below, here, above = self.taps.to(compared.dtype)
        mixed = padded[:, :-2] * below + compared * here + padded[:, 2:] * above
        result: Tensor = tokens + self.project(mixed)
        return result
