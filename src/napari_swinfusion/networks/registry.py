"""The architectures by name, and their presets; files name them, and this page builds them."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

from napari_swinfusion.errors import ModelError
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
