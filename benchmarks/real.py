"""Real stacks, whose truth nobody knows: objects and background judged apart.

Objects are where the planes have more gradient energy than the background's noise; the fused image should be as sharp
there as the sharpest plane, and as quiet as the quietest plane where there is nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.filters import threshold_otsu
from skimage.measure import label
from skimage.morphology import remove_small_objects

from benchmarks.methods import Contest, decision_steps
from napari_swinfusion import FocalStack, FusedImage, read_stack
from napari_swinfusion.evaluation.cases import plain_case
from napari_swinfusion.evaluation.scoring import gather
from napari_swinfusion.io.comparison_sheet import draw_comparison_sheet, save_sheet

Mask = NDArray[np.bool_]
Map = NDArray[np.float64]

WINDOW = 4.0  # sigma (px) under which gradient energy is summed to find objects
LEAST_OBJECT = 400  # px
# px: in the organoid stack debris and fibres have 1,708 at most, organoids 2,626 and more.
LARGE_OBJECT = 2_500
MARGIN = 24  # px between objects and background
RIM = 4  # px on either side of an object's outline
SMOOTH = 1.5  # sigma (px) that leaves little noise and most detail
CELL = 64  # px: an object deeper than one plane is sharp in several, cell by cell
SHARP = 0.98


def _planes(pattern: str) -> Callable[[Path], FocalStack]:
    return lambda folder: read_stack(sorted(folder.glob(pattern)))


# Folder and its plane files, and the corner (y, x) of the close-up: depth steps beside flat background.
STACKS: dict[str, tuple[Callable[[Path], FocalStack], tuple[int, int]]] = {
    "zstack_organoid_bf_A01": (_planes("A01_z*.tif"), (420, 560)),
    "zstack_flyeye_reflected": (_planes("181218_*.JPG"), (300, 500)),
    "zstack_leaf_reflected": (_planes("0*sm.png"), (80, 160)),
    "zstack_microtubules_fluor": (_planes("z*.tif"), (100, 240)),
}


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Where to look: numbered objects (0 is none), the large ones, their cells, their rims, and the background."""

    objects: NDArray[np.intp]
    large: NDArray[np.intp]
    cells: NDArray[np.intp]
    rims: NDArray[np.intp]
    background: Mask

    @property
    def sizes_differ(self) -> bool:
        """Whether some objects are large and others are not."""
        return bool(self.large.any()) and bool((self.large != self.objects).any())


def measure(contest: Contest, images: Path, sheets: Path | None = None) -> dict[str, Any]:
    """Return for each stack how sharp the objects and how quiet the background of every method are.

    "objects": the Tenengrad (mean squared Sobel gradient) of the fused image over the largest that any one plane has
    there, as mean, least and share of at least 0.98; planes are matched in light as for the fusion. A plane's noise
    raises its Tenengrad, and what averages noise away seems to lose by it: "objects less noise", "large less noise" (of
    at least 2,500 px), "rims" and "cells" are the same of images that were smoothed alike by a Gaussian of 1.5 px.
    "grain" is the standard deviation of the background less its Gaussian mean (sigma 2 px) over that of the quietest
    plane, "steps" the share of neighbouring background pixels whose planes in the decision map lie more than one apart;
    both are left out where some plane has more than noise there (half more grain than the quietest).
    A comparison sheet of each stack goes into the folder `sheets`: numbers do not see halos and blotches.
    """
    found = {}
    for name, (read, corner) in STACKS.items():
        stack = read(images / name)
        results = contest.fuse(stack, hard=True)
        found[name] = _judge(stack, results)
        if sheets is not None:
            sheets.mkdir(parents=True, exist_ok=True)
            save_sheet(draw_comparison_sheet(results, title=name, corner=corner), sheets / f"{name}.png")
    return found


def _judge(stack: FocalStack, results: dict[str, FusedImage]) -> dict[str, Any]:
    parts: Parts | None = None
    found: dict[str, Any] = {}
    for name, result in results.items():
        evidence = gather(result, plain_case(stack))
        assert evidence.sources is not None
        if parts is None:
            parts = find_parts(evidence.sources)
            inside = _Sharpest(evidence.sources, parts)
        found[name] = inside.compare(evidence.fused, result)
    assert parts is not None
    return {
        "objects": int(parts.objects.max()),
        "object pixels": round(float((parts.objects > 0).mean()), 3),
        "background pixels": round(float(parts.background.mean()), 3),
        "methods": found,
    }


def find_parts(planes: Map) -> Parts:
    """Find objects by the gradient energy of the plane that has most of it: above Otsu's threshold of its logarithm."""
    energy = np.max([ndimage.gaussian_filter(tenengrad(plane), WINDOW) for plane in planes], axis=0)
    level = np.log(energy + 1e-3 * energy.mean())
    mask = ndimage.binary_fill_holes(level > threshold_otsu(level))
    mask = remove_small_objects(np.asarray(mask), max_size=LEAST_OBJECT - 1)
    objects = np.asarray(label(mask))
    large = np.where((np.bincount(objects.ravel()) >= LARGE_OBJECT)[objects], objects, 0)
    rows, columns = np.indices(mask.shape) // CELL
    cells = np.asarray(label(np.where(mask, 1 + rows * (columns.max() + 1) + columns, 0), connectivity=1))
    cells[(np.bincount(cells.ravel()) < LEAST_OBJECT)[cells]] = 0
    away = ndimage.distance_transform_edt(~mask)
    inwards = ndimage.distance_transform_edt(mask)
    nearest = ndimage.distance_transform_edt(~mask, return_distances=False, return_indices=True)
    rims = np.where((away <= RIM) & (inwards <= RIM), objects[tuple(nearest)], 0)
    return Parts(objects=objects, large=large, cells=cells, rims=rims, background=away > MARGIN)


def tenengrad(image: Map) -> Map:
    """Squared Sobel gradient."""
    return ndimage.sobel(image, axis=0) ** 2 + ndimage.sobel(image, axis=1) ** 2


class _Sharpest:
    """What the planes reach in each part, to compare with."""

    def __init__(self, planes: Map, parts: Parts) -> None:
        self._parts = parts
        reached = [self._sharpness(plane) for plane in planes]
        self._most = {name: np.max([found[name] for found in reached], axis=0) for name in reached[0]}
        grain = [_grain(plane, parts.background) for plane in planes] if parts.background.any() else [0.0]
        # What some plane shows more than noise in is no background.
        self._least_grain = min(grain) if max(grain) < 1.5 * min(grain) else None

    def compare(self, fused: Map, result: FusedImage) -> dict[str, Any]:
        """Return the ratios of a fused image to the best of the planes."""
        found: dict[str, Any] = {
            name: _ratios(values / self._most[name]) for name, values in self._sharpness(fused).items()
        }
        if self._least_grain is not None:
            found["grain"] = round(_grain(fused, self._parts.background) / self._least_grain, 4)
            found["steps"] = round(decision_steps(result.decision, self._parts.background), 5)
        return found

    def _sharpness(self, image: Map) -> dict[str, Map]:
        """Return the mean Tenengrad in each object, rim and cell."""
        parts, quiet = self._parts, tenengrad(ndimage.gaussian_filter(image, SMOOTH))
        return {
            "objects": _means(tenengrad(image), parts.objects),
            "objects less noise": _means(quiet, parts.objects),
            **({"large less noise": _means(quiet, parts.large)} if parts.sizes_differ else {}),
            "rims": _means(quiet, parts.rims),
            "cells": _means(quiet, parts.cells),
        }


def _means(energy: Map, regions: NDArray[np.intp]) -> Map:
    return np.asarray(ndimage.mean(energy, regions, np.unique(regions[regions > 0])))


def _ratios(values: Map) -> dict[str, float]:
    return {
        "mean": round(float(values.mean()), 4),
        "least": round(float(values.min()), 4),
        "sharp": round(float((values >= SHARP).mean()), 4),
    }


def _grain(image: Map, background: Mask) -> float:
    return float((image - ndimage.gaussian_filter(image, 2))[background].std())
