"""Quality on photograph pairs: PSNR where the sharp image is known (NYU-D), edge transfer where it is not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.methods import Method, spread
from benchmarks.setting import read_image
from napari_swinfusion import FocalStack, read_stack
from napari_swinfusion.metrics.reference import psnr
from napari_swinfusion.metrics.transfer import qabf

_LUMA = np.array([0.299, 0.587, 0.114])


def measure_truth(methods: dict[str, Method], images: Path) -> dict[str, Any]:
    """Return PSNR (dB, all colours, range 255) over the NYU-D triplets."""
    folder = images / "nyud_gt"
    scores: dict[str, list[float]] = {name: [] for name in methods}
    for path in sorted((folder / "full_clear").iterdir()):
        truth = read_image(path)
        stack = read_stack([folder / "source_1" / path.name, folder / "source_2" / path.name])
        for name, method in methods.items():
            scores[name].append(psnr(method(stack).image, truth, data_range=255))
    return {name: spread(found) for name, found in scores.items()}


def measure_transfer(methods: dict[str, Method], images: Path, folder: str) -> dict[str, Any]:
    """Return edge transfer (Qabf of the luma) over the pairs of a folder."""
    scores: dict[str, list[float]] = {name: [] for name in methods}
    for stack in _pairs(images / folder):
        sources = np.stack([_luma(plane) for plane in np.asarray(stack.data)])
        for name, method in methods.items():
            scores[name].append(qabf(_luma(method(stack).image), sources))
    return {name: spread(found) for name, found in scores.items()}


def _pairs(folder: Path) -> Iterator[FocalStack]:
    for first in sorted(folder.glob("*A.jpg")):
        yield read_stack([first, first.with_name(first.name.replace("A.jpg", "B.jpg"))])


def _luma(image: NDArray[Any]) -> NDArray[np.float64]:
    return np.asarray(image @ _LUMA if image.ndim == 3 else image, dtype=np.float64)
