"""Robustness: planes out of order, twice, blank or saturated, and stacks of 2 to 60 planes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.methods import FALLBACK, Contest, table
from benchmarks.scenes import SIDE, Scene, Textures, scenes
from benchmarks.simulated import judge
from napari_swinfusion import FusedImage
from napari_swinfusion.simulation import SimulatedStack

PHOTONS = 2_000
PLANES = (9,)
LENGTHS = (2, 3, 5, 10, 20, 40, 60)
RIVALS = ("mean", "tenengrad-guided", "laplacian-pyramid")  # at 2,000 photons none of the other comparators leads


def measure(contest: Contest, textures: Textures) -> dict[str, Any]:
    """Return the PSNR (dB) that each harm costs, whether the result tells of it, and the PSNR by number of planes.

    "blank" and "saturated" put one more plane, of one level everywhere, into the middle of nine: the truth is still to
    be had from the others. "told" is the share of results with a notice on the harm; the stacks as they were are
    "unharmed", and any notice on their planes would be a false one.
    """
    few = Contest(networks=contest.networks, classical=(FALLBACK,))
    harmed: dict[str, dict[str, list[dict[str, float]]]] = {name: {} for name in HARMS}
    for scene in scenes(planes=PLANES):
        case = scene.take(PHOTONS, textures)
        intact = few.fuse(case.stack)
        whole = {name: judge(result, case)["psnr"] for name, result in intact.items()}
        for harm, change in HARMS.items():
            changed = change(case)
            for name, result in (intact if changed is case else few.fuse(changed.stack)).items():
                loss, told = whole[name] - judge(result, changed)["psnr"], _tells(result, harm)
                row = {"loss": loss, "told": float(told), "untold loss": 0.0 if told else loss}
                harmed[harm].setdefault(name, []).append(row)
    return {"harms": {name: table(rows) for name, rows in harmed.items()}, "lengths": _lengths(contest, textures)}


def _lengths(contest: Contest, textures: Textures) -> dict[str, Any]:
    """Return the PSNR of each network and of the best rival by number of planes, one scene of each kind."""
    few = Contest(networks=contest.networks, classical=RIVALS)
    by_length: dict[str, Any] = {}
    for n_planes in LENGTHS:
        rows: dict[str, list[dict[str, float]]] = {}
        for preset, seed in (("organoid-brightfield", 9_100_001), ("reflected", 9_100_002)):
            case = Scene(preset=preset, n_planes=n_planes, seed=seed, from_images=False).take(PHOTONS, textures)
            for name, result in few.fuse(case.stack).items():
                rows.setdefault(name, []).append({"psnr": judge(result, case)["psnr"]})
        means = {name: row["psnr"]["mean"] for name, row in table(rows).items()}
        best = max(RIVALS, key=lambda name: means[name])
        by_length[str(n_planes)] = {name: means[name] for name in contest.networks} | {
            "best comparator": means[best],
            "which": best,
        }
    return by_length


def _tells(result: FusedImage, harm: str) -> bool:
    said = {"shuffled": "order of z", "unharmed": "plane"}.get(harm, "left out")
    return any(said in notice.casefold() for notice in result.notices)


def _reordered(case: SimulatedStack, order: NDArray[np.intp]) -> SimulatedStack:
    """Return the stack with its planes taken in another order; depth counts them as before, and is not judged."""
    planes = np.asarray(case.stack.data)[order]
    return replace(case, stack=replace(case.stack, data=planes), lamp=tuple(case.lamp[k] for k in order))


def _shuffled(case: SimulatedStack) -> SimulatedStack:
    return _reordered(case, np.random.default_rng(0).permutation(case.stack.n_planes))


def _doubled(case: SimulatedStack) -> SimulatedStack:
    return _reordered(case, np.arange(case.stack.n_planes).repeat(2))


def _with_plane(case: SimulatedStack, level: float) -> SimulatedStack:
    """Return the stack with one more plane in its middle, of one level everywhere: nothing it showed is lost."""
    planes = np.asarray(case.stack.data)
    middle = case.stack.n_planes // 2
    bad = np.full((1, SIDE, SIDE), level, dtype=planes.dtype)
    return replace(
        case,
        stack=replace(case.stack, data=np.concatenate([planes[:middle], bad, planes[middle:]])),
        lamp=(*case.lamp[:middle], 1.0, *case.lamp[middle:]),
    )


def _blank(case: SimulatedStack) -> SimulatedStack:
    return _with_plane(case, 0)


def _saturated(case: SimulatedStack) -> SimulatedStack:
    return _with_plane(case, np.iinfo(case.stack.dtype).max)


HARMS: dict[str, Callable[[SimulatedStack], SimulatedStack]] = {
    "unharmed": lambda case: case,
    "shuffled": _shuffled,
    "doubled": _doubled,
    "blank plane": _blank,
    "saturated plane": _saturated,
}
