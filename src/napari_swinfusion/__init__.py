"""Fuse focal stacks into one all-in-focus image; the public verbs, imported on first use."""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_HOME = {
    "fuse": "napari_swinfusion.pipeline",
    "compose": "napari_swinfusion.pipeline",
    "restore": "napari_swinfusion.pipeline",
    "FocalStack": "napari_swinfusion.focal_stack",
    "FusedImage": "napari_swinfusion.focal_stack",
    "SpatialMetadata": "napari_swinfusion.focal_stack",
    "read_stack": "napari_swinfusion.io",
    "write_fused": "napari_swinfusion.io",
    "list_models": "napari_swinfusion.decide.registry",
    "load_model": "napari_swinfusion.weights",
    "simulate": "napari_swinfusion.simulation",
    "evaluate": "napari_swinfusion.evaluation",
    "finetune": "napari_swinfusion.training.finetuning",
}

__all__ = ["__version__", *_HOME]


def __getattr__(name: str) -> Any:
    # Lazy, so that importing the package loads neither torch nor napari. No module shares its name with a verb:
    # importing such a module would put it in the place of the verb.
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
