from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from napari_swinfusion.errors import ConfigError
from napari_swinfusion.networks.blocks.swin import SWIN_V1, CrossSwinBlock, SwinBlock, SwinOptions
from napari_swinfusion.networks.blocks.window_attention import MASKED, WindowAttention, wrapped_mask
from napari_swinfusion.networks.blocks.windows import in_windows


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
                score = q @ k.T * attention.log_temperature[head].exp() + bias[head]
                heads.append(score.softmax(-1) @ value[r, c, :, part])
            torch.testing.assert_close(answer[r, c], attention.project(torch.cat(heads, dim=-1)))


def test_the_gradient_of_cosine_attention_is_that_of_finite_differences() -> None:
    torch.manual_seed(0)
    attention = WindowAttention(dim=4, num_heads=2, window_size=2).double()
    windows = torch.randn(2, 1, 4, 4, dtype=torch.float64, requires_grad=True)

    def answer(windows: torch.Tensor, log_temperature: torch.Tensor) -> torch.Tensor:
        parameters = {"log_temperature": log_temperature}
        result: torch.Tensor = torch.func.functional_call(attention, parameters, (windows, attention.position_bias()))
        return result

    assert torch.autograd.gradcheck(answer, (windows, attention.log_temperature.detach().clone().requires_grad_()))


@pytest.mark.parametrize("qk_scale", [None, 0.3])
@pytest.mark.parametrize("qkv_bias", [True, False])
def test_dot_attention_is_the_formula_of_swin(qk_scale: float | None, qkv_bias: bool) -> None:
    """Against the attention of Swin written out for one window and one head at a time."""
    torch.manual_seed(0)
    attention = WindowAttention(
        dim=6, num_heads=2, window_size=3, similarity="dot", qk_scale=qk_scale, qkv_bias=qkv_bias
    ).double()
    table = attention.position_table.data.normal_()
    windows, context = torch.randn(2, 2, 4, 9, 6, dtype=torch.float64)
    crossed = attention(windows, attention.position_bias(), context)
    query, (key, value) = attention.query(windows), attention.key_value(context).chunk(2, dim=-1)
    for r in range(2):
        for c in range(4):
            heads = []
            for head in range(2):
                q, k, v = (x[r, c, :, 3 * head : 3 * head + 3] for x in (query, key, value))
                bias = torch.tensor(
                    [
                        # Rows and columns between token i and token j pick the entry of the table.
                        [table[(i // 3 - j // 3 + 2) * 5 + i % 3 - j % 3 + 2, head] for j in range(9)]
                        for i in range(9)
                    ]
                )
                heads.append((q @ k.T * (qk_scale or 3**-0.5) + bias).softmax(-1) @ v)
            torch.testing.assert_close(crossed[r, c], attention.project(torch.cat(heads, dim=-1)))
    assert (attention.query.bias is None) == (not qkv_bias)


def test_a_scale_where_the_temperature_is_learned_is_refused() -> None:
    with pytest.raises(ConfigError, match="qk_scale is for the similarity dot"):
        WindowAttention(dim=8, num_heads=2, window_size=4, qk_scale=0.5)


def test_context_supplies_keys_and_values() -> None:
    torch.manual_seed(0)
    attention = WindowAttention(dim=8, num_heads=2, window_size=2)
    windows, other = torch.randn(1, 3, 4, 8), torch.randn(1, 3, 4, 8)
    bias = attention.position_bias()
    crossed = attention(windows, bias, context=other)
    assert not torch.allclose(crossed, attention(windows, bias))
    torch.testing.assert_close(attention(windows, bias, context=windows), attention(windows, bias))


def test_the_position_bias_depends_on_the_offset_alone() -> None:
    bias = WindowAttention(dim=8, num_heads=2, window_size=4).position_bias()
    # Token 0 to 5 and token 5 to 10 are both one row down and one column right.
    torch.testing.assert_close(bias[:, 0, 5], bias[:, 5, 10])
    assert not torch.allclose(bias[:, 0, 5], bias[:, 5, 0])


def test_masks_part_what_was_never_a_neighbour() -> None:
    """The 4 × 4 example of document 003: window 2, shift 1; the lower left window holds rows 3 and 0."""
    # Tokens 0, 1 are row 3, tokens 2, 3 are row 0.
    expected = torch.zeros(4, 4)
    expected[:2, 2:] = expected[2:, :2] = MASKED
    assert torch.equal(wrapped_mask(2, 1, rows=True, columns=False), expected)
    # Lower right: all four tokens come from different corners.
    assert torch.equal(wrapped_mask(2, 1, rows=True, columns=True), MASKED * (1 - torch.eye(4)))


@pytest.mark.parametrize("banded", [True, False])
def test_shifted_windows_are_the_windows_of_a_rolled_image(banded: bool) -> None:
    tokens = torch.arange(2 * 8 * 12, dtype=torch.float32).reshape(2, 8, 12, 1)
    seen: set[tuple[float, ...]] = set()

    def step(windows: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        seen.update(tuple(window.tolist()) for window in windows.squeeze(-1).flatten(0, -2))
        return -windows

    with torch.set_grad_enabled(not banded):
        answer = in_windows(step, tokens.clone(), size=4, shift=1)
    assert torch.equal(answer, -tokens)
    rolled = tokens.roll((-1, -1), (1, 2)).reshape(2, 2, 4, 3, 4).transpose(2, 3).reshape(-1, 16)
    assert seen == {tuple(window.tolist()) for window in rolled}


def test_a_shifted_block_does_not_leak_across_the_image_edge() -> None:
    torch.manual_seed(0)
    block = SwinBlock(dim=8, num_heads=2, window_size=4, shift=2, mlp_ratio=2.0).double()
    tokens = torch.randn(1, 12, 12, 8, dtype=torch.float64)
    changed = tokens.clone()
    changed[0, 0] += 1
    moved = (block(changed) - block(tokens)).abs().amax((0, 2, 3)) > 1e-12
    # Row 0 lies in the window of rows 0 and 1, which the shift moved beside rows 10 and 11.
    assert moved.tolist() == [True, True] + [False] * 10


OPTIONS = {
    "v1": SWIN_V1,
    "v2": SwinOptions(),
    "v1 with a norm of its own": SwinOptions(similarity="dot", norm_first=True, norm="rms_norm", qkv_bias=False),
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("shift", [0, 4])
@pytest.mark.parametrize("size", [(128, 96), (8, 8), (8, 16)])
def test_bands_change_nothing(options: SwinOptions, shift: int, size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    block = SwinBlock(16, 2, 8, shift, 2.0, options)
    tokens = torch.randn(1, *size, 16)
    whole = block(tokens)
    with torch.no_grad():
        banded = block(tokens.clone())
    torch.testing.assert_close(banded, whole)


def test_a_block_of_swin_normalises_before_each_branch() -> None:
    torch.manual_seed(0)
    block = SwinBlock(dim=8, num_heads=2, window_size=2, shift=0, mlp_ratio=2.0, options=SWIN_V1)
    window = torch.randn(1, 2, 2, 8)
    flat = window.reshape(1, 4, 8)
    attended = flat + block.attention(block.norm_attention(flat), block.attention.position_bias())
    expected = attended + block.mlp(block.norm_mlp(attended))
    torch.testing.assert_close(block(window), expected.reshape(1, 2, 2, 8))


def test_crossed_sources_query_each_other_from_the_same_inputs() -> None:
    torch.manual_seed(0)
    cross = CrossSwinBlock(dim=8, num_heads=2, window_size=4, shift=2, mlp_ratio=2.0)
    one, other = cross.sources
    tokens = torch.randn(2, 3, 8, 12, 8)
    whole = cross(tokens)
    with torch.no_grad():
        torch.testing.assert_close(cross(tokens.clone()), whole)
    # Tokens 2:6 of a side are one window of the shifted grid.
    a, b = tokens[:, :, 2:6, 2:6].flatten(2, 3)
    a_shown, b_shown = one.norm_attention(a), other.norm_attention(b)
    a = a + one.attention(a_shown, one.attention.position_bias(), b_shown)
    b = b + other.attention(b_shown, other.attention.position_bias(), a_shown)
    expected = torch.stack([a + one.mlp(one.norm_mlp(a)), b + other.mlp(other.norm_mlp(b))])
    torch.testing.assert_close(whole[:, :, 2:6, 2:6].flatten(2, 3), expected)


def test_a_dropped_path_lets_a_whole_sample_past() -> None:
    torch.manual_seed(0)
    block = SwinBlock(8, 2, 4, 2, 2.0, SWIN_V1, drop_path=0.5).train()
    tokens = torch.randn(64, 8, 8, 8)
    moved = (block(tokens) - tokens).abs().flatten(1)
    untouched = (moved == 0).all(1)
    # Both branches are dropped for about a quarter of the samples, and never for a part of one.
    assert 6 <= int(untouched.sum()) <= 28
    assert (moved[~untouched] > 0).float().mean() > 0.9
    assert not torch.equal(block.eval()(tokens)[untouched], tokens[untouched])


def test_dropout_acts_in_training_alone() -> None:
    torch.manual_seed(0)
    options = SwinOptions(similarity="dot", norm_first=True, drop=0.2, attention_drop=0.2)
    block = SwinBlock(8, 2, 4, 0, 2.0, options)
    tokens = torch.randn(2, 8, 8, 8)
    assert not torch.equal(block.train()(tokens), block(tokens))
    assert torch.equal(block.eval()(tokens), block(tokens))
