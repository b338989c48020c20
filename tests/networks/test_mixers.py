"""The mixers against the formulas of document 002, written out."""

from __future__ import annotations

import torch
from torch.nn import functional

from napari_swinfusion.networks.blocks.mixers import make_mixer

IMAGE = torch.randn(2, 8, 16, 24, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_spatial_modulation_is_that_of_the_document_on_its_grid() -> None:
    torch.manual_seed(0)
    mixer = make_mixer("spatial-modulation", 8).double()
    parts = []
    for level, part in enumerate(IMAGE.chunk(4, dim=1)):
        pooled = functional.adaptive_max_pool2d(part, (16 // 2**level, 24 // 2**level))
        parts.append(functional.interpolate(mixer.filters[level](pooled), size=(16, 24), mode="nearest"))
    torch.testing.assert_close(mixer(IMAGE), functional.gelu(mixer.join(torch.cat(parts, dim=1))) * IMAGE)


def test_channels_that_levels_do_not_divide_are_parted_evenly() -> None:
    assert make_mixer("spatial-modulation", 10).sizes == [3, 3, 2, 2]


def test_reduced_attention_looks_at_a_small_copy() -> None:
    torch.manual_seed(0)
    mixer = make_mixer("reduced-attention", 8, num_heads=2, reduction=2).double()
    small = mixer.small(IMAGE)
    assert small.shape == (2, 8, 8, 12)
    small = small + mixer.local(small)
    key, value = mixer.key_value(small).flatten(2).chunk(2, dim=1)
    query = mixer.query(IMAGE).flatten(2)
    heads = []
    for head in (slice(0, 4), slice(4, 8)):
        shares = (query[:, head].mT @ key[:, head] / 2).softmax(-1)
        heads.append(value[:, head] @ shares.mT)
    torch.testing.assert_close(mixer(IMAGE), torch.cat(heads, dim=1).view_as(IMAGE))


def test_no_token_goes_unseen_by_reduced_attention() -> None:
    torch.manual_seed(0)
    mixer = make_mixer("reduced-attention", 8).double()
    for size in ((16, 24), (13, 9), (3, 3)):
        image = torch.randn(1, 8, *size, dtype=torch.float64, requires_grad=True)
        mixer(image)[..., 0, 0].square().sum().backward()
        assert image.grad is not None
        assert image.grad.abs().sum(1).all()


def test_joint_attention_fits_every_size_with_the_same_weights() -> None:
    """The document's MLP holds H × W; here a tile and a repeated tile are weighed alike."""
    torch.manual_seed(0)
    mixer = make_mixer("channel-spatial", 8, kernel_size=1).double()
    torch.testing.assert_close(mixer(IMAGE.repeat(1, 1, 2, 2)), mixer(IMAGE).repeat(1, 1, 2, 2))


def test_joint_attention_decides_channels_by_where_things_lie() -> None:
    """What CBAM's separate branches cannot do: a change in where, alone, moves the weights of the channels."""
    torch.manual_seed(0)
    mixer = make_mixer("channel-spatial", 8).double()
    shuffled = IMAGE.flatten(2)[..., torch.randperm(16 * 24)].view_as(IMAGE)
    ratios = [(mixer(image)[0, :2] / image[0, :2]) for image in (IMAGE, shuffled)]
    # Of two channels at one token the weight of the token cancels.
    assert not torch.allclose(*(ratio[0] / ratio[1] for ratio in ratios))


def test_dilation_widens_what_a_token_sees() -> None:
    torch.manual_seed(0)
    mixer = make_mixer("dilated", 8, dilations=(5,), window=1).double()
    changed = IMAGE.clone()
    changed[..., 8, 12] += 1
    moved = (mixer(changed) - mixer(IMAGE)).abs().amax((0, 1)) > 0
    # Three tokens of the first convolution, seen from three places by the second.
    assert moved[:, 12].nonzero().flatten().tolist() == [2, 3, 4, 7, 8, 9, 12, 13, 14]


def test_scales_compete_at_each_token() -> None:
    torch.manual_seed(0)
    mixer = make_mixer("multi-scale", 8).double()
    scales = torch.stack([scale(IMAGE) for scale in mixer.filters])
    shares = torch.stack([mixer.merger.score(scale) for scale in scales]).softmax(0)
    torch.testing.assert_close(mixer(IMAGE), mixer.project((shares * scales).sum(0)))
