"""Quality on photograph pairs: PSNR where the sharp image is known (NYU-D), edge transfer and its like where not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.methods import Contest, table
from benchmarks.setting import read_image
from napari_swinfusion import read_stack
from napari_swinfusion.evaluation import find_cases, read_case, score
from napari_swinfusion.metrics import METRICS
from napari_swinfusion.metrics.reference import psnr

TRANSFER = ("qabf", "nmi", "qm", "qy", "qcb", "viff", "scd")
FOLDERS = ("lytro", "mfi_whu")


def measure(contest: Contest, images: Path) -> dict[str, Any]:
    """Return the scores of every method, soft and hard, over the NYU-D, Lytro and MFI-WHU rows."""
    return {"nyud": _on_truth(contest, images), **{folder: _on_sources(contest, images / folder) for folder in FOLDERS}}


def _on_truth(contest: Contest, images: Path) -> dict[str, Any]:
    """Return PSNR (dB, all colours, range 255) over the NYU-D triplets."""
    folder = images / "nyud_gt"
    rows: dict[str, list[dict[str, float]]] = {}
    for path in sorted((folder / "full_clear").iterdir()):
        truth = read_image(path)
        stack = read_stack([folder / "source_1" / path.name, folder / "source_2" / path.name])
        for name, result in contest.fuse(stack, hard=True).items():
            rows.setdefault(name, []).append({"psnr": psnr(result.image, truth, data_range=255)})
    return table(rows)


def _on_sources(contest: Contest, folder: Path) -> dict[str, Any]:
    """Return what of the sources arrives, over the pairs of a folder, in luminance."""
    rows: dict[str, list[dict[str, float]]] = {}
    for paths in find_cases(folder):
        case = read_case(paths)
        for name, result in contest.fuse(case.stack, hard=True).items():
            rows.setdefault(name, []).append(score(result, case, [METRICS[metric] for metric in TRANSFER]))
    return table(rows)
