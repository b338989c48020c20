from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from napari_swinfusion.errors import ConfigError
from napari_swinfusion.networks.blocks.swin import SwinBlock
from napari_swinfusion.networks.blocks.window_attention import MASKED, WindowAttention, shifted_window_masks


def test_heads_that_do_not_divide_the_channels_are_refused_with_the_nearest_that_do() -> None:
    with pytest.raises(ConfigError, match="3 heads cannot share 8 channels evenly; the nearest number is 2"):
        WindowAttention(dim=8, num_heads=3, window_size=4)


def test_attention_is_the_formula_of_swin_v2() -> None:
    """Against the cosine attention written out for one window and one head at a time."""
    torch.manual_seed(0)
    attention = WindowAttention(dim=6, num_heads=2, window_size=3).double()
    windows = torch.randn(2, 2, 9, 6, dtype=torch.float64)
    bias = attention.position_bias()
    answer = attention(windows, bias)
    query, (key, value) = attention.query(windows), attention.key_value(windows).chunk(2, dim=-1)
    for r in range(2):
        for c in range(2):
            heads = []
            for head in range(2):
                part = slice(3 * head, 3 * head + 3)
                q, k = (functional.normalize(x[r, c, :, part], dim=-1) for x in (query, key))
                score = q @ k.T * attention.log_temperature[head].exp() + bias[0, head]
                heads.append(score.softmax(-1) @ value[r, c, :, part])
            torch.testing.assert_close(answer[r, c], attention.project(torch.cat(heads, dim=-1)))


def test_context_supplies_keys_and_values() -> None:
    torch.manual_seed(0)
    attention = WindowAttention(dim=8, num_heads=2, window_size=2)
    windows, other = torch.randn(1, 3, 4, 8), torch.randn(1, 3, 4, 8)
    bias = attention.position_bias()
    crossed = attention(windows, bias, context=other)
    assert not torch.allclose(crossed, attention(windows, bias))
    torch.testing.assert_close(attention(windows, bias, context=windows), attention(windows, bias))


def test_the_position_bias_depends_on_the_offset_alone() -> None:
    bias = WindowAttention(dim=8, num_heads=2, window_size=4).position_bias()[0]
    # Token 0 to 5 and token 5 to 10 are both one row down and one column right.
    torch.testing.assert_close(bias[:, 0, 5], bias[:, 5, 10])
    assert not torch.allclose(bias[:, 0, 5], bias[:, 5, 0])


def test_masks_part_what_was_never_a_neighbour() -> None:
    """The 4 × 4 example of document 003: window 2, shift 1; the lower left window holds rows 3 and 0."""
    above, last = shifted_window_masks(columns=2, window_size=2, shift=1)
    open_window = torch.zeros(4, 4)
    assert torch.equal(above[0, 0], open_window)
    # Lower left: tokens 0, 1 are row 3, tokens 2, 3 are row 0.
    expected = open_window.clone()
    expected[:2, 2:] = expected[2:, :2] = MASKED
    assert torch.equal(last[0, 0], expected)
    # Lower right: all four tokens come from different corners.
    assert torch.equal(last[1, 0], MASKED * (1 - torch.eye(4)))


def test_a_shifted_block_does_not_leak_across_the_image_edge() -> None:
    torch.manual_seed(0)
    block = SwinBlock(dim=8, num_heads=2, window_size=4, shift=2, mlp_ratio=2.0).double()
    tokens = torch.randn(1, 12, 12, 8, dtype=torch.float64)
    changed = tokens.clone()
    changed[0, 0] += 1
    moved = (block(changed) - block(tokens)).abs().amax((0, 2, 3)) > 1e-12
    # Row 0 lies in the window of rows 0 and 1, which the shift moved beside rows 10 and 11.
    assert moved.tolist() == [True, True] + [False] * 10


def test_bands_change_nothing() -> None:
    torch.manual_seed(0)
    for shift in (0, 4):
        block = SwinBlock(dim=16, num_heads=2, window_size=8, shift=shift, mlp_ratio=2.0)
        tokens = torch.randn(1, 128, 96, 16)
        whole = block(tokens)
        with torch.no_grad():
            banded = block(tokens.clone())
        torch.testing.assert_close(banded, whole)
