"""Read PNG and JPEG planes, which carry neither scale nor focus axis."""

from __future__ import annotations

from pathlib import Path

import imagecodecs
import numpy as np

from napari_swinfusion.errors import LoadError
from napari_swinfusion.focal_stack import FocalStack
from napari_swinfusion.io.damage import damage_as_load_error

RASTER_SUFFIXES = (".png", ".jpg", ".jpeg")

# By content, not by name, and only these two: other decoders of the library stay unreachable for a hostile file.
_DECODERS = {b"\x89PNG": imagecodecs.png_decode, b"\xff\xd8\xff": imagecodecs.jpeg_decode}


def read_raster(path: Path) -> FocalStack:
    """Read a PNG or JPEG as a stack of one plane, ZYX or ZYXS.

    Raises
    ------
    LoadError
        If the file is missing, of another kind or damaged.
    """
    with damage_as_load_error(path):
        content = path.read_bytes()
        decode = next((decoder for magic, decoder in _DECODERS.items() if content.startswith(magic)), None)
        if decode is None:
            raise LoadError(f"{path.name} is neither PNG nor JPEG, though its name says so; export it again.")
        plane = np.asarray(decode(content))
    return FocalStack(data=plane[np.newaxis], axes="ZYXS"[: plane.ndim + 1], name=path.stem, source=str(path))
