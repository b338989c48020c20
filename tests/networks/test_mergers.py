"""For two sources the mergers are what the documents show."""

from __future__ import annotations

import math

import torch
from torch.nn import functional

from napari_swinfusion.networks.blocks.mergers import make_merger

A, B = torch.randn(2, 1, 8, 16, 16, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
BOTH = torch.stack([A, B], dim=1)


def test_gated_fusion_of_two_is_a_gate_and_its_complement() -> None:
    torch.manual_seed(0)
    merger = make_merger("gated", 8).double()
    gate = torch.sigmoid(merger.score(A) - merger.score(B))
    torch.testing.assert_close(merger(BOTH), gate * A + (1 - gate) * B)
    torch.testing.assert_close(merger(BOTH.flip(1)), merger(BOTH))


def test_concatenation_of_two_is_concatenation() -> None:
    torch.manual_seed(0)
    merger = make_merger("concat", 8).double()
    expected = functional.leaky_relu(merger.convolution(torch.cat([A, B], dim=1)), 0.2)
    torch.testing.assert_close(merger(BOTH), expected)
    # A source amid two others counts for both ends alike.
    three = torch.stack([A, B, A], dim=1)
    ends = torch.cat([(A + B / 2) * 2 / 3] * 2, dim=1)
    torch.testing.assert_close(merger(three), functional.leaky_relu(merger.convolution(ends), 0.2))


def test_selective_fusion_over_the_whole_image_is_that_of_the_document() -> None:
    torch.manual_seed(0)
    merger = make_merger("selective", 8, window=None).double()
    scores = [merger.score(source.mean((2, 3), keepdim=True)).sigmoid().exp() for source in (A, B)]
    expected = (scores[0] * A + scores[1] * B) / (scores[0] + scores[1])
    torch.testing.assert_close(merger.select(BOTH), expected)


def test_over_a_window_selective_fusion_chooses_apart_in_places_far_apart() -> None:
    left = torch.zeros(1, 4, 8, 32)
    left[..., :16] = 1
    sources = torch.stack([left, left.flip(-1)], dim=1)
    for window, share in ((5, math.exp(0.5) / (1 + math.exp(0.5))), (None, 0.5)):
        merger = make_merger("selective", 4, window=window)
        merger.score.weight.data = 50 * torch.eye(4)[:, :, None, None]
        merged = merger.select(sources)
        torch.testing.assert_close(merged[..., [0, -1]], torch.full((1, 4, 8, 2), share))


def test_cross_attention_of_two_lets_each_ask_the_other() -> None:
    torch.manual_seed(0)
    merger = make_merger("cross-attention", 8, window_size=16).double()
    tokens = [merger.norm(source.flatten(2).transpose(1, 2)) for source in (A, B)]
    bias = merger.attention.position_bias()
    asked = [merger.norm_attention(merger.attention(own, bias, other)) for own, other in (tokens, reversed(tokens))]
    seen = [source + answer.transpose(1, 2).view_as(source) for source, answer in zip((A, B), asked, strict=True)]
    torch.testing.assert_close(merger(BOTH), merger.concat(torch.stack(seen, dim=1)))
