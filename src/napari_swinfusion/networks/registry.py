"""The architectures by name, and their presets; files name them, and this page builds them."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

from napari_swinfusion.errors import ConfigError, ModelError
from napari_swinfusion.networks.base import FusionNetwork, NetworkConfig
from napari_swinfusion.networks.hybrid import HybridFusionNet
from napari_swinfusion.networks.restormer import Restormer
from napari_swinfusion.networks.swinfusion import SwinFusion

_ARCHITECTURES: dict[str, type[FusionNetwork]] = {
    "hybrid": HybridFusionNet,
    "swinfusion": SwinFusion,
    "restormer": Restormer,
}
_PRESETS: dict[str, tuple[type[FusionNetwork], NetworkConfig]] = {
    name: (network, preset) for network in _ARCHITECTURES.values() for name, preset in network.presets.items()
}


def list_architectures() -> list[str]:
    """Return the registered architecture names."""
    return list(_ARCHITECTURES)


def list_presets() -> list[str]:
    """Return the names of configurations that `build_network` knows beside the architectures."""
    return list(_PRESETS)


def architecture_of(network: FusionNetwork) -> str:
    """Return the name under which the class of `network` is registered.

    Raises
    ------
    ModelError
        If it is not.
    """
    for name, known in _ARCHITECTURES.items():
        if type(network) is known:
            return name
    raise ModelError(f"{type(network).__name__} is not a registered network; known are {', '.join(_ARCHITECTURES)}.")


def grow_network(network: FusionNetwork, changes: dict[str, Any]) -> FusionNetwork:
    """Return a network like `network` but for `changes` of its configuration, with all of its weights.

    Parts that it does not have begin afresh.

    Raises
    ------
    ConfigError
        If `changes` has an unknown key or an impossible value, or some of the weights find no place any more.
    """
    grown = build_network(architecture_of(network), {**network.config.to_dict(), **changes})
    weights, places = network.state_dict(), grown.state_dict()
    lost = [name for name, weight in weights.items() if name not in places or places[name].shape != weight.shape]
    if lost:
        raise ConfigError(f"With these settings the network has no place for {', '.join(lost[:5])}.")
    grown.load_state_dict({**places, **weights})
    return grown


def build_network(name: str, config: dict[str, Any] | None = None) -> FusionNetwork:
    """Build a network with fresh weights.

    Parameters
    ----------
    name
        An architecture, or a preset of one.
    config
        Settings that differ from the default, or from the preset.

    Raises
    ------
    ModelError
        If there is no network of that name.
    ConfigError
        If `config` has an unknown key or an impossible value.
    """
    if name in _PRESETS:
        network, preset = _PRESETS[name]
        return network(network.config_class.from_dict({**preset.to_dict(), **(config or {})}))
    if name in _ARCHITECTURES:
        network = _ARCHITECTURES[name]
        return network(network.config_class.from_dict(config or {}))
    known = [*_ARCHITECTURES, *_PRESETS]
    near = get_close_matches(name, known, n=1)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    raise ModelError(f"There is no network '{name}'; known are {', '.join(known)}.{hint}")
