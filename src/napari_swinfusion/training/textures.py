"""Sharp images to cut training textures from: those bundled with scikit-image, and folders of a lab's own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_swinfusion.errors import LoadError
from napari_swinfusion.io import is_image, read_stack

# Shipped inside the scikit-image wheel (BSD-3 or public domain). `cell` and `immunohistochemistry` stay out: benchmarks
# use them.
BUNDLED = (
    "astronaut", "brick", "camera", "chelsea", "clock", "coffee", "coins", "grass", "gravel", "hubble_deep_field",
    "microaneurysms", "moon", "page", "retina", "rocket", "text",
)  # fmt: skip


def bundled_textures() -> dict[str, Tensor]:
    """Return scikit-image's bundled photographs by name, grey `(h, w)` in [0, 1]; absent ones are left out."""
    from skimage import data

    found = {}
    for name in BUNDLED:
        # Some releases fetch a few of these from the network instead of shipping them; those are left out.
        try:
            found[f"skimage:{name}"] = as_texture(getattr(data, name)())
        except (OSError, ModuleNotFoundError):
            continue
    return found


def file_textures(paths: Sequence[Path]) -> dict[str, Tensor]:
    """Return image files by name, grey `(h, w)` in [0, 1].

    Raises
    ------
    LoadError
        If a file is missing or not an image.
    """
    return {path.name: as_texture(read_stack(path).read(plane=0)[0]) for path in paths}


def folder_textures(folder: Path) -> dict[str, Tensor]:
    """Return the images of a folder by name, grey `(h, w)` in [0, 1].

    Raises
    ------
    LoadError
        If the folder holds no image, or one that cannot be read.
    """
    if not folder.is_dir() or not (paths := sorted(path for path in folder.iterdir() if is_image(path))):
        raise LoadError(f"The folder {folder} holds no TIFF, PNG or JPEG files; give a folder of sharp images.")
    return file_textures(paths)


def as_texture(image: NDArray[Any]) -> Tensor:
    """Return an image `(h, w)`, `(h, w, 3)` or `(3, h, w)` as grey in [0, 1], cut at its 0.1 and 99.9 percentiles."""
    grey = np.asarray(image, dtype=np.float32)
    if grey.ndim == 3:
        grey = grey[..., :3].mean(-1) if grey.shape[-1] in (3, 4) else grey[:3].mean(0)
    low, high = np.percentile(grey, (0.1, 99.9))
    unit = ((grey - low) / max(high - low, 1e-6)).clip(0, 1)
    return torch.from_numpy(unit.astype(np.float32))
