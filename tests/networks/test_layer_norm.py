from __future__ import annotations

import torch

from napari_swinfusion.networks.blocks.layer_norm import LayerNorm


def test_its_weights_learn_the_same_in_half_precision() -> None:
    """Over as many tokens as a training step has; torch's own kernel for the CPU is off by a tenth here."""
    torch.manual_seed(0)
    tokens, gradient = torch.randn(16384, 16), torch.randn(16384, 16)
    found = {}
    for dtype in (torch.float32, torch.bfloat16):
        norm = LayerNorm(16)
        answer = norm(tokens.to(torch.bfloat16).to(dtype))
        assert answer.dtype == dtype
        answer.backward(gradient.to(torch.bfloat16).to(dtype))
        assert norm.weight.grad is not None
        assert norm.bias.grad is not None
        found[dtype] = torch.stack([norm.weight.grad, norm.bias.grad])
    torch.testing.assert_close(found[torch.bfloat16], found[torch.float32], rtol=0.01, atol=0.01)
