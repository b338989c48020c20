"""Trained networks: what ships, where it lies, and how a file becomes a network."""

from napari_swinfusion.weights.catalogue import find_model, list_networks, load_model
from napari_swinfusion.weights.files import read_header, read_model, save_model, sha256_of

__all__ = ["find_model", "list_networks", "load_model", "read_header", "read_model", "save_model", "sha256_of"]
