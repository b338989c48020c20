"""Where the measurements were made, and where the real images are."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path
from typing import Any

import numpy as np
import scipy
import tifffile
import torch
from numpy.typing import NDArray
from PIL import Image

import napari_swinfusion

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"


def real_images() -> Path | None:
    """Return the folder of real images, or None where there is none."""
    folder = Path(os.environ.get("SWINFUSION_DATA", ROOT.parent / "shared" / "data"))
    return folder if folder.is_dir() else None


def read_image(path: Path) -> NDArray[Any]:
    """Return the pixels of one TIFF, PNG or JPEG as they are stored."""
    return np.asarray(tifffile.imread(path) if path.suffix == ".tif" else Image.open(path))


def describe_setting() -> dict[str, Any]:
    """Return processor and versions, without names or dates, so that equal results make equal files."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "torch": torch.__version__,
        "napari_swinfusion": napari_swinfusion.__version__,
    }


def save(results: dict[str, Any], path: Path) -> None:
    """Write results as JSON, keys in the order they were measured."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
