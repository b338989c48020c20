"""Fusion networks: each declares its facts, and others act on them; they need torch and einops alone."""

from napari_swinfusion.networks.base import Fused, FusionNetwork, NetworkInfo
from napari_swinfusion.networks.hybrid import HybridFusionConfig, HybridFusionNet
from napari_swinfusion.networks.registry import (
    architecture_of,
    build_network,
    grow_network,
    list_architectures,
    list_presets,
)
from napari_swinfusion.networks.restormer import Restormer, RestormerConfig
from napari_swinfusion.networks.swinfusion import SwinFusion
from napari_swinfusion.networks.swinfusion_config import SwinFusionConfig

__all__ = [
    "Fused",
    "FusionNetwork",
    "HybridFusionConfig",
    "HybridFusionNet",
    "NetworkInfo",
    "Restormer",
    "RestormerConfig",
    "SwinFusion",
    "SwinFusionConfig",
    "architecture_of",
    "build_network",
    "grow_network",
    "list_architectures",
    "list_presets",
]
