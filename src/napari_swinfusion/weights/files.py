"""Model files: safetensors with the architecture, its configuration and its story in the header."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from napari_swinfusion.errors import ConfigError, ModelError
from napari_swinfusion.networks import FusionNetwork, architecture_of, build_network
from napari_swinfusion.weights.cards import check_card

FORMAT = "napari-swinfusion/1"


def save_model(network: FusionNetwork, path: Path, story: dict[str, Any]) -> Path:
    """Write a network to `path` atomically.

    Parameters
    ----------
    story
        JSON-able: recipe, data, metrics; readable later with `read_header`.
    """
    header = {
        "format": FORMAT,
        "architecture": architecture_of(network),
        "config": json.dumps(network.config.to_dict()),
        "story": json.dumps(story),
    }
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        save_file(tensors, partial, metadata=header)
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    return path


def read_header(path: Path) -> dict[str, Any]:
    """Return architecture, config and story of a model file, without its numbers.

    Raises
    ------
    ModelError
        If the file is not one of ours.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise ModelError(
            f"'{path}' is damaged or not a model file; use a .safetensors file of this program."
        ) from error
    if header.get("format") != FORMAT:
        raise ModelError(f"'{path}' is a safetensors file, but not one of a napari-swinfusion model.")
    return {
        "architecture": header["architecture"],
        "config": json.loads(header["config"]),
        "story": json.loads(header["story"]),
    }


def read_model(path: Path) -> FusionNetwork:
    """Return the network of a model file, ready to fuse (eval mode, on the CPU).

    Raises
    ------
    ModelError
        If the file is damaged, differs from its card, holds another architecture, or numbers that are not finite.
    """
    header = read_header(path)
    try:
        network = build_network(header["architecture"], header["config"])
    except ConfigError as error:
        raise ModelError(f"'{path}' was made by another version: {error}") from error
    check_card(path)
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    expected = network.state_dict()
    wrong = sorted(expected.keys() ^ tensors.keys()) + sorted(
        name for name in expected.keys() & tensors.keys() if expected[name].shape != tensors[name].shape
    )
    if wrong:
        raise ModelError(
            f"'{path}' does not fit its own configuration: {', '.join(wrong[:5])} are missing or misshapen."
        )
    if not all(torch.isfinite(tensor).all() for tensor in tensors.values()):
        raise ModelError(f"'{path}' holds numbers that are not finite; it is damaged or its training failed.")
    network.load_state_dict(tensors)
    return network.eval()


def sha256_of(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
