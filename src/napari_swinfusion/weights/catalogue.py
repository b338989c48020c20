"""The models that ship with the package, by name."""

from __future__ import annotations

from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path

from napari_swinfusion.errors import ModelError
from napari_swinfusion.networks import FusionNetwork
from napari_swinfusion.weights.files import read_model

SUFFIX = ".safetensors"


def shipped_folder() -> Path:
    """Return the folder of the shipped model files."""
    return Path(str(files("napari_swinfusion.weights"))) / "shipped"


def list_networks() -> list[str]:
    """Return the names of the shipped networks, `default` first."""
    names = sorted(path.stem for path in shipped_folder().glob(f"*{SUFFIX}"))
    return sorted(names, key=lambda name: name != "default")


def find_model(name_or_path: str | Path) -> Path:
    """Return the file of a shipped model or of a path.

    Raises
    ------
    ModelError
        If it is neither.
    """
    shipped = shipped_folder() / f"{name_or_path}{SUFFIX}"
    if shipped.is_file():
        return shipped
    path = Path(name_or_path)
    if path.is_file():
        return path
    names = list_networks()
    near = get_close_matches(str(name_or_path), names, n=1)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    raise ModelError(f"'{name_or_path}' is neither a shipped network ({', '.join(names)}) nor a model file.{hint}")


def load_model(name_or_path: str | Path) -> FusionNetwork:
    """Return a network by its shipped name or the path of its file, in eval mode on the CPU.

    Raises
    ------
    ModelError
        If there is no such model or its file is damaged.
    """
    return read_model(find_model(name_or_path))
