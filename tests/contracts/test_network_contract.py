"""What every registered network promises, asked of each by name, in sizes that make it quick."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from napari_swinfusion import load_model
from napari_swinfusion.errors import ConfigError, ModelError
from napari_swinfusion.networks import (
    Fused,
    FusionNetwork,
    architecture_of,
    build_network,
    grow_network,
    list_architectures,
    list_presets,
)
from napari_swinfusion.networks.blocks.mergers import MERGERS
from napari_swinfusion.networks.blocks.mixers import MIXERS
from napari_swinfusion.weights import save_model

SWIN: dict[str, Any] = {
    "dim": 8,
    "window_size": 4,
    "extract_depths": [2],
    "extract_heads": [2],
    "fuse_depths": [1],
    "fuse_heads": [1],
    "reconstruct_depths": [1],
    "reconstruct_heads": [2],
}

# Label → architecture and settings; every architecture is here (tested).
TINY: dict[str, tuple[str, dict[str, Any]]] = {
    "hybrid": ("hybrid", {"stem_channels": 4, "dim": 8, "depths": [2, 1], "window_size": 4, "mlp_ratio": 1.0}),
    "hybrid, adaptive windows": (
        "hybrid",
        {"stem_channels": 2, "dim": 8, "patch_size": 2, "depths": [2], "mlp_ratio": 1.0, "adaptive_windows": [2, 4, 8]},
    ),
    "hybrid, second look": (
        "hybrid",
        {"stem_channels": 2, "dim": 8, "patch_size": 2, "depths": [1], "mlp_ratio": 1.0, "second_look": 4},
    ),
    "hybrid, second look with blocks": (
        "hybrid",
        {"stem_channels": 2, "dim": 8, "patch_size": 2, "depths": [1], "mlp_ratio": 1.0, "second_look": 4}
        | {"second_look_blocks": 1},
    ),
    **{
        f"hybrid with {name}": (
            "hybrid",
            {"stem_channels": 2, "dim": 8, "patch_size": 2, "depths": [1], "mlp_ratio": 1.0, kind: name},
        )
        for kind, entries in (("merger", MERGERS), ("mixer", MIXERS))
        for name in entries
    },
    "restormer": ("restormer", {"dim": 4, "depths": [1, 1], "num_heads": [1, 2], "refinement_depth": 1}),
    "restormer, dual pixel": (
        "restormer",
        {"dim": 4, "depths": [1, 1], "num_heads": [1, 2], "refinement_depth": 0, "norm": "bias-free", "bias": True}
        | {"dual_pixel": True},
    ),
    "swinfusion": ("swinfusion", SWIN | {"residual": "1conv"}),
    "swinfusion, shares": (
        "swinfusion",
        SWIN | {"output": "weights", "shared": "nothing", "residual": "3conv", "upsampler": "nearest+conv"},
    ),
    "swinfusion with parts by name": ("swinfusion", SWIN | {"merger": "cross-attention", "mixer": "multi-scale"}),
    "swinfusion, patches": (
        "swinfusion",
        SWIN | {"patch_size": 2, "image_size": [16, 16], "absolute_position": True, "shared": "branches"},
    ),
}


def build(label: str) -> FusionNetwork:
    torch.manual_seed(0)
    network = build_network(*TINY[label])
    # Fresh weights hardly look around; larger ones, all different, make every path count.
    for parameter in network.parameters():
        parameter.data.mul_(1.5).add_(0.1 * torch.randn_like(parameter))
    return network.eval()


@pytest.fixture(params=list(TINY))
def network(request: pytest.FixtureRequest) -> FusionNetwork:
    return build(request.param)


def planes_of(
    network: FusionNetwork, n: int = 0, cells: tuple[int, int] = (2, 3), dtype: torch.dtype = torch.float32
) -> torch.Tensor:
    height, width = (network.info.size_multiple * count for count in cells)
    return torch.rand(1, n or most(network), height, width, generator=torch.Generator().manual_seed(1), dtype=dtype)


def most(network: FusionNetwork) -> int:
    """Return the largest number of planes that a test gives it."""
    return min(network.info.planes[1] or 4, 4)


def answered(fused: Fused) -> torch.Tensor:
    """Return all that a network answers, so that no part of it goes untested."""
    parts = [fused.image.unsqueeze(1), fused.weights, fused.focus]
    return torch.cat([part for part in parts if part is not None], dim=1)


def test_every_network_is_here() -> None:
    assert {architecture for architecture, _ in TINY.values()} == set(list_architectures())


@pytest.mark.parametrize("name", [*list_architectures(), *list_presets()])
def test_every_name_builds_in_its_full_size(name: str) -> None:
    assert architecture_of(build_network(name)) in list_architectures()


def test_any_number_of_planes_and_any_shape_in_its_range(network: FusionNetwork) -> None:
    fewest, greatest = network.info.planes
    for n in {fewest, most(network), 7 if greatest is None else greatest}:
        for cells in ((1, 1), (2, 3), (3, 1)):
            planes = planes_of(network, n, cells)
            with torch.no_grad():
                fused = network(planes)
            assert fused.image.shape == (1, *(side * network.info.upscale for side in planes.shape[2:]))
            assert torch.isfinite(answered(fused)).all()
            assert (fused.weights is None) == (network.info.output == "image")


def test_samples_of_a_batch_do_not_mix(network: FusionNetwork) -> None:
    planes = torch.cat([planes_of(network), planes_of(network).flip(-1)])
    both = answered(network(planes))
    for sample in range(2):
        torch.testing.assert_close(both[sample : sample + 1], answered(network(planes[sample : sample + 1])))


def test_weights_are_shares_and_the_image_their_mean(network: FusionNetwork) -> None:
    if network.info.output == "image":
        pytest.skip("it paints")
    planes = planes_of(network)
    with torch.no_grad():
        fused = network(planes)
    assert fused.weights is not None
    assert fused.weights.shape == planes.shape
    assert fused.weights.min() >= 0
    torch.testing.assert_close(fused.weights.sum(1), torch.ones_like(fused.image))
    torch.testing.assert_close(fused.image, (fused.weights * planes).sum(1))
    assert (fused.image <= planes.amax(1) + 1e-6).all()
    assert (fused.image >= planes.amin(1) - 1e-6).all()


def test_inference_gives_what_training_gives(network: FusionNetwork) -> None:
    planes = planes_of(network)
    at_once = answered(network(planes))
    with torch.no_grad():
        piece_by_piece = answered(network(planes))
    torch.testing.assert_close(piece_by_piece, at_once, atol=1e-5, rtol=0)


def test_gradients_reach_every_parameter(network: FusionNetwork) -> None:
    answered(network(planes_of(network))).square().sum().backward()
    dead = [
        name for name, parameter in network.named_parameters() if parameter.grad is None or not parameter.grad.any()
    ]
    assert not dead


def test_the_declared_reach_is_the_true_one(network: FusionNetwork) -> None:
    """A changed pixel changes nothing farther away than declared, and something nearly as far."""
    network, multiple, reach = network.double(), network.info.size_multiple, network.info.reach
    side = 9 * multiple if reach is None else 2 * -(-(reach + multiple) // multiple) * multiple
    planes = torch.rand(1, 2, side, side, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    with torch.no_grad():
        before = answered(network(planes))

        def moved(y: int) -> torch.Tensor:
            changed = planes.clone()
            changed[0, 1, y, y] += 1
            return (answered(network(changed)) - before).abs().amax((0, 1)) > 0

        if reach is None:
            assert moved(0)[-multiple:, -multiple:].any()
            return
        farthest = 0
        for offset in range(0, multiple, 5):
            y = side // 2 + offset
            farthest = max(farthest, *(int((axis - y).abs().max()) for axis in moved(y).nonzero(as_tuple=True)))
    assert reach - 8 <= farthest <= reach


def test_the_order_of_planes_matters_where_declared(network: FusionNetwork) -> None:
    planes = planes_of(network)
    order = [1, 0] if planes.shape[1] == 2 else [2, 0, 3, 1]
    with torch.no_grad():
        difference = (network(planes).image - network(planes[:, order]).image).abs().max()
    assert (difference > 1e-4) == network.info.order_aware


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_precisions_stay_finite(network: FusionNetwork, dtype: torch.dtype) -> None:
    with torch.no_grad():
        fused = network.to(dtype)(planes_of(network, dtype=dtype))
    assert fused.image.dtype == dtype
    assert torch.isfinite(answered(fused)).all()


def test_shares_keep_the_precision_of_the_planes_while_it_learns_in_half(network: FusionNetwork) -> None:
    planes = planes_of(network)
    with torch.autocast("cpu", torch.bfloat16):
        fused = network(planes)
    for shares in (fused.weights, fused.focus):
        assert shares is None or (shares.dtype == planes.dtype and bool(((shares.sum(1) - 1).abs() < 1e-5).all()))


def test_the_same_input_gives_the_same_bits(network: FusionNetwork) -> None:
    planes = planes_of(network)
    with torch.no_grad():
        assert torch.equal(answered(network(planes)), answered(network(planes)))


def test_a_file_needs_nothing_else_to_become_the_same_network(network: FusionNetwork, tmp_path: Path) -> None:
    again = load_model(save_model(network, tmp_path / "mine.safetensors", {}))
    assert again.config == network.config
    planes = planes_of(network)
    with torch.no_grad():
        assert torch.equal(answered(again(planes)), answered(network(planes)))


# The parts by name are exported on their own.
@pytest.mark.parametrize("label", [label for label in TINY if " with " not in label])
def test_torch_export_takes_it(label: str) -> None:
    network = build(label)
    planes = planes_of(network, network.info.planes[0], cells=(2, 2))
    exported = torch.export.export(network, (planes,)).module()
    torch.testing.assert_close(answered(exported(planes)), answered(network(planes)))


def test_watch_hears_of_progress_and_may_stop_it(network: FusionNetwork) -> None:
    heard: list[float] = []
    network.watch = heard.append
    with torch.no_grad():
        network(planes_of(network))
    assert len(heard) >= 4
    assert heard == sorted(heard)
    assert heard[0] >= 0
    assert heard[-1] <= 1

    def stop(_: float) -> None:
        raise KeyboardInterrupt

    network.watch = stop
    with torch.no_grad(), pytest.raises(KeyboardInterrupt):
        network(planes_of(network))


@pytest.mark.parametrize("name", [*list_architectures(), *list_presets()])
def test_an_unknown_setting_names_the_nearest(name: str) -> None:
    with pytest.raises(ConfigError, match="did you mean 'mlp_ratio'"):
        build_network(name, {"mlp_ration": 8})


def test_a_network_grows_and_keeps_what_it_knows() -> None:
    small = build("hybrid")
    grown = grow_network(small, {"second_look": 4}).eval()
    assert grown.config.to_dict() == {**small.config.to_dict(), "second_look": 4}
    torch.testing.assert_close(answered(grown(planes_of(small))), answered(small(planes_of(small))))
    with pytest.raises(ConfigError, match=r"no place for .*embed\.weight"):
        grow_network(small, {"dim": 16})


def test_an_unknown_network_lists_the_known_ones() -> None:
    with pytest.raises(ModelError, match=r"restormer-lite.* Did you mean 'hybrid'"):
        build_network("hybird")
