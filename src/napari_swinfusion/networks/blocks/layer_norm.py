"""Layer normalisation whose weights learn as well in half precision as in single."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class LayerNorm(nn.LayerNorm):
    """`torch.nn.LayerNorm`, computed in single precision while gradients are recorded.

    In half precision torch's kernel for the CPU also adds the gradients of its weights up in half precision, over
    thousands of tokens: they come out several times too large, and at random.
    """

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the tokens `(..., dim)`, normalised."""
        if torch.is_grad_enabled() and tokens.dtype in (torch.bfloat16, torch.float16):
            weight, bias = self.weight.float(), self.bias.float()
            return functional.layer_norm(tokens.float(), self.normalized_shape, weight, bias, self.eps).to(tokens.dtype)
        return super().forward(tokens)
