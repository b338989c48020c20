"""Restormer by its formulas; that it gives the published numbers is tested with the importer."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from napari_swinfusion.errors import ConfigError, InputError
from napari_swinfusion.networks import Restormer, build_network
from napari_swinfusion.networks.blocks.restormer import RestormerBlock, TransposedAttention

TINY = {"dim": 8, "depths": [1, 1, 1, 2], "refinement_depth": 1, "num_heads": [1, 2, 2, 4]}


def test_channel_attention_is_the_formula_of_the_paper() -> None:
    torch.manual_seed(0)
    attention = TransposedAttention(4, 2).double()
    attention.temperature.data = torch.tensor([[[0.5]], [[3.0]]], dtype=torch.float64)
    image = torch.randn(1, 4, 6, 5, dtype=torch.float64)
    query, key, value = attention.neighbours(attention.query_key_value(image)).flatten(2)[0].chunk(3)
    heads = []
    for head in (slice(0, 2), slice(2, 4)):
        q, k = (functional.normalize(part[head], dim=-1) for part in (query, key))
        heads.append((q @ k.T * attention.temperature[head.start // 2]).softmax(-1) @ value[head])
    expected = attention.project(torch.cat(heads).view(1, 4, 6, 5))
    torch.testing.assert_close(attention(image), expected)


def test_squares_change_nothing() -> None:
    torch.manual_seed(0)
    block = RestormerBlock(4, 2, 2.66, bias=True, norm="bias-free")
    image = torch.randn(1, 4, 150, 290)
    whole = block(image)
    with torch.no_grad():
        torch.testing.assert_close(block(image), whole, atol=1e-5, rtol=0)


def test_the_base_has_the_published_parameters() -> None:
    network = build_network("restormer-base", {"n_sources": 1, "channels": 3})
    assert sum(parameter.numel() for parameter in network.parameters()) == 26_126_644


def test_a_network_for_colours_takes_grey_planes() -> None:
    torch.manual_seed(0)
    network = build_network("restormer", {**TINY, "channels": 3})
    assert isinstance(network, Restormer)
    planes = torch.rand(1, 2, 16, 24)
    with torch.no_grad():
        image = network(planes).image
        restored = network.restore(planes.repeat_interleave(3, dim=1))
    assert restored.shape == (1, 3, 16, 24)
    torch.testing.assert_close(image, restored.mean(1))


def test_another_number_of_planes_is_refused() -> None:
    with pytest.raises(InputError, match="takes 2 planes, not 3"):
        build_network("restormer", TINY)(torch.rand(1, 3, 16, 16))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"num_heads": [1, 5, 4, 8]}, "5 heads cannot share 96 channels evenly; the nearest number is 4"),
        ({"depths": [1, 1]}, "give each level one of both"),
        ({"dim": 7}, "cannot be halved"),
        ({"norm": "WithBias"}, "choose with-bias or bias-free"),
    ],
)
def test_sizes_that_cannot_work_are_refused(config: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_network("restormer", config)
