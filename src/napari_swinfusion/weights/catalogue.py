"""The models by name: those that ship with the package, then the user's own."""

from __future__ import annotations

import os
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path

import platformdirs

from napari_swinfusion.errors import ModelError
from napari_swinfusion.networks import FusionNetwork
from napari_swinfusion.weights.files import read_model

SUFFIX = ".safetensors"
REJECTED = f".rejected{SUFFIX}"
"""Ending of models that are not better than their base: kept, but not listed."""


def shipped_folder() -> Path:
    """Return the folder of the shipped model files."""
    return Path(str(files("napari_swinfusion.weights"))) / "shipped"


def user_folder() -> Path:
    """Return the folder of the user's own models: `SWINFUSION_MODELS`, or the platform's place for user data."""
    named = os.environ.get("SWINFUSION_MODELS")
    return Path(named) if named else platformdirs.user_data_path("napari-swinfusion", appauthor=False) / "models"


def list_shipped() -> list[str]:
    """Return the names of the shipped networks, `default` first."""
    names = sorted(path.stem for path in shipped_folder().glob(f"*{SUFFIX}"))
    return sorted(names, key=lambda name: name != "default")


def list_networks() -> list[str]:
    """Return the names of the shipped networks, `default` first, then of the user's own."""
    shipped = list_shipped()
    own = sorted(path.stem for path in user_folder().glob(f"*{SUFFIX}") if not path.name.endswith(REJECTED))
    return [*shipped, *(name for name in own if name not in shipped)]


def find_model(name_or_path: str | Path) -> Path:
    """Return the file of a shipped model, of one of the user's own, or of a path.

    Raises
    ------
    ModelError
        If it is none of these.
    """
    for folder in (shipped_folder(), user_folder()):
        named = folder / f"{name_or_path}{SUFFIX}"
        if named.is_file():
            return named
    path = Path(name_or_path)
    if path.is_file():
        return path
    names = list_networks()
    near = get_close_matches(str(name_or_path), names, n=1)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    raise ModelError(f"'{name_or_path}' is neither a known network ({', '.join(names)}) nor a model file.{hint}")


def load_model(name_or_path: str | Path) -> FusionNetwork:
    """Return a network by its name or the path of its file, in eval mode on the CPU.

    Raises
    ------
    ModelError
        If there is no such model or its file is damaged.
    """
    return read_model(find_model(name_or_path))
