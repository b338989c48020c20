"""Small things: how much of the contrast of lone specks of dust a fused image keeps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.methods import Contest, table
from benchmarks.scenes import Textures, scenes
from napari_swinfusion.simulation import SimulatedStack

PRESET = "organoid-brightfield"
PHOTONS = (20_000, 2_000, 500)
PLANES = (9,)
ROUNDS = 16
FAINTEST = 0.03  # Of white.
LARGEST = 30  # px in all
AROUND = 10  # px on each side, in which a speck lies alone

Speck = tuple[tuple[slice, slice], NDArray[np.bool_]]


def measure(contest: Contest, textures: Textures) -> dict[str, Any]:
    """Return by photon level "kept": the contrast of specks over that in the truth, for every method.

    The contrast is the mean of a speck minus the median of what lies around; 1 keeps it whole. The lamp is steady.
    """
    levels = {}
    for photons in PHOTONS:
        rows: dict[str, list[dict[str, float]]] = {}
        for scene in scenes(presets=(PRESET,), planes=PLANES, rounds=ROUNDS):
            case = scene.take(photons, textures, lamp_drift=0.0)
            specks = list(find_specks(case))
            if not specks:
                continue
            for name, result in contest.fuse(case.stack, hard=True).items():
                for speck in specks:
                    kept = _contrast(result.image, speck) / _contrast(case.truth, speck)
                    rows.setdefault(name, []).append({"kept": kept})
        levels[str(photons)] = {"methods": table(rows)}
    return levels


def find_specks(case: SimulatedStack) -> Iterator[Speck]:
    """Yield where specks lie alone, and which pixels of that place are theirs."""
    stands_out = np.abs(case.truth - ndimage.median_filter(case.truth, 2 * AROUND + 1)) > FAINTEST * case.white
    labels, _ = ndimage.label(stands_out)
    for number, box in enumerate(ndimage.find_objects(labels), start=1):
        y, x = ((side.start + side.stop) // 2 for side in box)
        around = slice(y - AROUND, y + AROUND + 1), slice(x - AROUND, x + AROUND + 1)
        seen = labels[around] if min(y, x) >= AROUND else labels[:0]
        inside = seen.shape == (2 * AROUND + 1, 2 * AROUND + 1)
        if inside and not np.isin(seen, (0, number), invert=True).any() and (labels == number).sum() <= LARGEST:
            yield around, seen == number


def _contrast(image: NDArray[Any], speck: Speck) -> float:
    around, own = speck
    return float(image[around][own].mean() - np.median(image[around]))
