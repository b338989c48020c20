"""What every registered network promises, asked of each by name."""

from __future__ import annotations

import pytest
import torch

from napari_swinfusion.errors import ConfigError, ModelError
from napari_swinfusion.networks import FusionNetwork, build_network, list_architectures

ARCHITECTURES = list_architectures()


@pytest.fixture(params=ARCHITECTURES)
def network(request: pytest.FixtureRequest) -> FusionNetwork:
    torch.manual_seed(0)
    network = build_network(request.param)
    # Fresh weights hardly look around; larger ones, all different, make every path count.
    for parameter in network.parameters():
        parameter.data.mul_(1.5).add_(0.1 * torch.randn_like(parameter))
    return network.eval()


def planes_of(
    network: FusionNetwork, n: int, cells: int = 2, seed: int = 1, dtype: torch.dtype = torch.float32
) -> torch.Tensor:
    side = network.info.size_multiple * cells
    return torch.rand(1, n, side, side, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@pytest.mark.parametrize("n", [2, 3, 7])
def test_the_image_is_a_convex_mean_of_any_number_of_planes(network: FusionNetwork, n: int) -> None:
    planes = planes_of(network, n)
    with torch.no_grad():
        fused = network(planes)
    assert fused.weights is not None
    assert fused.weights.shape == planes.shape
    assert fused.weights.min() >= 0
    torch.testing.assert_close(fused.weights.sum(1), torch.ones_like(fused.image))
    torch.testing.assert_close(fused.image, (fused.weights * planes).sum(1))
    assert (fused.image <= planes.amax(1) + 1e-6).all()
    assert (fused.image >= planes.amin(1) - 1e-6).all()


def test_streaming_planes_gives_what_one_batch_gives(network: FusionNetwork) -> None:
    planes = planes_of(network, 5)
    at_once = network(planes).weights
    with torch.no_grad():
        one_by_one = network(planes).weights
    torch.testing.assert_close(one_by_one, at_once, atol=1e-5, rtol=0)


def test_gradients_reach_every_parameter(network: FusionNetwork) -> None:
    fused = network(planes_of(network, 4))
    assert fused.weights is not None
    assert fused.focus is not None
    (fused.weights.square().sum() + fused.focus.square().sum()).backward()
    dead = [
        name for name, parameter in network.named_parameters() if parameter.grad is None or not parameter.grad.any()
    ]
    assert not dead


def test_the_declared_reach_is_the_true_one(network: FusionNetwork) -> None:
    """A changed pixel changes nothing farther away than declared, and something nearly as far."""
    assert network.info.reach is not None
    network = network.double()
    side = 11 * network.info.size_multiple
    planes = torch.rand(1, 2, side, side, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    farthest = 0
    with torch.no_grad():
        before = network(planes).weights
        for offset in range(0, network.info.size_multiple, 5):
            y = side // 2 + offset
            changed = planes.clone()
            changed[0, 1, y, y] += 1
            moved = (network(changed).weights - before).abs().amax((0, 1)) > 0  # type: ignore[operator]
            rows, columns = moved.nonzero(as_tuple=True)
            farthest = max(farthest, *(int((axis - y).abs().max()) for axis in (rows, columns)))
    assert network.info.reach - 8 <= farthest <= network.info.reach


def test_the_order_of_planes_matters_where_declared(network: FusionNetwork) -> None:
    planes = planes_of(network, 4)
    with torch.no_grad():
        weights = network(planes).weights
        shuffled = network(planes[:, [2, 0, 3, 1]]).weights
    assert weights is not None
    assert shuffled is not None
    difference = (weights[:, [2, 0, 3, 1]] - shuffled).abs().max()
    assert (difference > 1e-4) == network.info.order_aware


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_precisions_stay_finite(network: FusionNetwork, dtype: torch.dtype) -> None:
    with torch.no_grad():
        fused = network.to(dtype)(planes_of(network, 3).to(dtype))
    assert torch.isfinite(fused.image).all()


def test_the_same_input_gives_the_same_bits(network: FusionNetwork) -> None:
    planes = planes_of(network, 3)
    with torch.no_grad():
        assert torch.equal(network(planes).image, network(planes).image)


def test_watch_hears_of_progress_and_may_stop_it(network: FusionNetwork) -> None:
    heard: list[float] = []
    network.watch = heard.append
    with torch.no_grad():
        network(planes_of(network, 6))
    assert len(heard) >= 6
    assert heard == sorted(heard)
    assert heard[0] >= 0
    assert heard[-1] <= 1

    def stop(_: float) -> None:
        raise KeyboardInterrupt

    network.watch = stop
    with torch.no_grad(), pytest.raises(KeyboardInterrupt):
        network(planes_of(network, 6))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_an_unknown_setting_names_the_nearest(architecture: str) -> None:
    with pytest.raises(ConfigError, match="did you mean 'window_size'"):
        build_network(architecture, {"window_sise": 8})


def test_an_unknown_network_lists_the_known_ones() -> None:
    with pytest.raises(ModelError, match="hybrid"):
        build_network("hybird")
