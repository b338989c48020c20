from __future__ import annotations

import json

import pytest
import torch
from typer.testing import CliRunner

from napari_swinfusion.cli.app import app
from napari_swinfusion.decide.profile import count_flops, network_by_name, profile
from napari_swinfusion.errors import InputError, ModelError
from napari_swinfusion.networks import FusionNetwork, build_network, list_architectures


@pytest.fixture(scope="module")
def tiny() -> FusionNetwork:
    """Return a network small enough to be counted by hand."""
    torch.manual_seed(0)
    sizes = {"stem_channels": 2, "dim": 4, "patch_size": 2, "depths": [1], "num_heads": 1, "window_size": 2}
    return build_network("hybrid", {**sizes, "mlp_ratio": 2.0})


def test_flops_equal_a_count_by_hand(tiny: FusionNetwork) -> None:
    planes, side = 3, 8
    stem = 2 * 9 * 2 + 2 * 9 * 2
    detail, mix, score = 2 * 25 * 2, 2 * 9 * 2, 2 * 2
    per_pixel = stem + detail + mix + score
    embed, up = (2 * 4) * 4, 4 * (2 * 4)
    own, project = 4 * 4, 4 * 4
    attention = 4 * 12 + 2 * 4 * 4 + 4 * 4  # query, key and value; scores and mix over 4 tokens; projection
    mlp = 4 * 8 + 8 * 4
    per_token = embed + up + own + project + attention + mlp
    tokens = (side // 2) ** 2
    shared = tokens * 8 * 4  # of the exchange, once for all planes
    position = 9 * (2 * 128 + 128 * 1)  # nine offsets in a window of 2 × 2
    by_hand = 2 * (planes * (side**2 * per_pixel + tokens * per_token) + shared + position)
    assert count_flops(tiny, (1, planes, side, side)) == by_hand


@pytest.mark.parametrize("name", list_architectures())
def test_every_architecture_has_its_arithmetic_counted(name: str) -> None:
    network = network_by_name(name)
    side = network.info.size_multiple
    assert count_flops(network, (1, 2, side, side)) > 2 * side**2


def test_a_profile_tells_size_time_and_memory(tiny: FusionNetwork) -> None:
    cost = profile(tiny, planes=3, size=30, device="cpu", repeats=3)
    assert (cost.device, cost.planes, cost.height, cost.width) == ("cpu", 3, 32, 32)
    assert cost.parameters == sum(weights.numel() for weights in tiny.parameters())
    assert cost.flops == count_flops(tiny, (1, 3, 32, 32))
    assert cost.seconds > 0
    assert cost.peak_memory >= 0
    assert cost.megapixels_per_second == pytest.approx(32 * 32 / 1e6 / cost.seconds)


@pytest.mark.parametrize("wrong", [{"planes": 1}, {"size": 0}, {"repeats": 1}, {"device": "abacus"}])
def test_an_impossible_profile_is_refused(tiny: FusionNetwork, wrong: dict[str, int]) -> None:
    with pytest.raises(InputError):
        profile(tiny, **{"size": 8, "device": "cpu", **wrong})


def test_an_unknown_name_is_answered_with_all_that_can_be_profiled() -> None:
    with pytest.raises(ModelError, match="hybrid"):
        network_by_name("hybird")


def test_profile_on_the_command_line() -> None:
    done = CliRunner().invoke(
        app, ["models", "profile", "default", "--size", "32", "--device", "cpu", "--repeats", "2", "--json"]
    )
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["parameters"] == sum(p.numel() for p in network_by_name("default").parameters())
