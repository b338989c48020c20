"""What a training would use, small enough to look at: a line and a thumbnail for each stack."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_swinfusion.training.data.checks import DataReport, Entry
from napari_swinfusion.training.data.regions import Region
from napari_swinfusion.training.finetuning import check
from napari_swinfusion.viewer.training_request import TrainingRequest

THUMBNAIL = 56  # Px.


@dataclass(frozen=True, kw_only=True)
class Line:
    """One stack, or half of one.

    Attributes
    ----------
    thumbnail
        uint8 `(h, w)`: its middle plane.
    """

    name: str
    role: str
    facts: str
    detail: str
    thumbnail: NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class DataCheck:
    """The check of the engine, for the window: what stands against the data is in `problems`."""

    lines: tuple[Line, ...]
    problems: tuple[str, ...]
    notices: tuple[str, ...]


def check_request(request: TrainingRequest) -> DataCheck:
    """Look at every plane of a request; reads pixels, so call it away from the window."""
    report = check(request.examples(), request.config)
    regions = [*report.training, *report.held_out]
    return DataCheck(
        lines=tuple(_line(entry, region) for entry, region in zip(report.entries, regions, strict=True)),
        problems=tuple(_with_files(report)),
        notices=report.notices,
    )


def _line(entry: Entry, region: Region) -> Line:
    y0, y1, x0, x1 = entry.box
    facts = [f"{entry.planes} planes", f"{x1 - x0} × {y1 - y0} px"]
    facts += ["reference"] if entry.reference else []
    facts += [f"{entry.painted:.1%} painted"] if entry.painted else []
    use = "is judged on, and never learned from" if entry.role == "held out" else "is learned from"
    size = "unknown" if entry.pixel_size is None else f"{entry.pixel_size[1]:.4g} {entry.unit}"
    detail = f"{entry.name}: rows {y0} to {y1}, columns {x0} to {x1}, {entry.dtype}; it {use}. Pixel size: {size}."
    return Line(name=entry.name, role=entry.role, facts=" · ".join(facts), detail=detail, thumbnail=_thumbnail(region))


def _thumbnail(region: Region) -> NDArray[np.uint8]:
    plane = region.planes(region.box, [region.n_planes // 2])[0]
    step = max(-(-max(plane.shape) // THUMBNAIL), 1)
    height, width = (size // step * step for size in plane.shape)
    blocks = plane[:height, :width].reshape(height // step, step, width // step, step)
    return (255 * np.clip(blocks.mean(axis=(1, 3)), 0, 1)).astype(np.uint8)


def _with_files(report: DataReport) -> list[str]:
    return [
        f"{wrong.text} ({', '.join(path.name for path in wrong.files)})" if wrong.files else wrong.text
        for wrong in report.problems
    ]
