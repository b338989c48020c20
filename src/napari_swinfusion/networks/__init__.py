"""Fusion networks: each declares its facts, and others act on them; they need torch and einops alone."""

from napari_swinfusion.networks.base import Fused, FusionNetwork, NetworkInfo
from napari_swinfusion.networks.hybrid import HybridFusionConfig, HybridFusionNet
from napari_swinfusion.networks.registry import build_network, list_architectures

__all__ = [
    "Fused",
    "FusionNetwork",
    "HybridFusionConfig",
    "HybridFusionNet",
    "NetworkInfo",
    "build_network",
    "list_architectures",
]
