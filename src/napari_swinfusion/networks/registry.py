"""The architectures by name; files name them, and this page builds them."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

from napari_swinfusion.errors import ModelError
from napari_swinfusion.networks.base import FusionNetwork
from napari_swinfusion.networks.hybrid import HybridFusionNet

_ARCHITECTURES: dict[str, type[FusionNetwork]] = {"hybrid": HybridFusionNet}


def list_architectures() -> list[str]:
    """Return the registered architecture names."""
    return list(_ARCHITECTURES)


def build_network(architecture: str, config: dict[str, Any] | None = None) -> FusionNetwork:
    """Build a network with fresh weights.

    Raises
    ------
    ModelError
        If the architecture is unknown.
    ConfigError
        If `config` has an unknown key or an impossible value.
    """
    if architecture not in _ARCHITECTURES:
        near = get_close_matches(architecture, _ARCHITECTURES, n=1)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        raise ModelError(f"There is no network '{architecture}'; known are {', '.join(_ARCHITECTURES)}.{hint}")
    network = _ARCHITECTURES[architecture]
    return network(network.config_class.from_dict(config or {}))
