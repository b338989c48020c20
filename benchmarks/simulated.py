"""Quality on simulated stacks, where the all-in-focus image and the depth are known."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.methods import FALLBACK, Contest, table
from benchmarks.scenes import PLANES, SIDE, Scene, Textures, scenes
from napari_swinfusion import FusedImage, compose
from napari_swinfusion.decide.registry import COMPARATORS
from napari_swinfusion.evaluation import score, simulated_case
from napari_swinfusion.evaluation.scoring import gather
from napari_swinfusion.metrics import METRICS
from napari_swinfusion.metrics.depth import depth_error
from napari_swinfusion.metrics.reference import textured
from napari_swinfusion.simulation import SimulatedStack

LEVELS: dict[str, float | None] = {"noise-free": None, "20000": 20_000, "2000": 2_000, "500": 500}
MEASURED = ("psnr", "psnr-textured", "psnr-flat", "ssim", "ms-ssim", "depth-error")
ORACLE = "oracle plane"
"""The single plane that lies nearest the truth: what no selection without knowledge of the truth can beat."""
QUICK_LEVELS = ("20000", "2000", "500")
QUICK_PLANES = (5, 9)
NEVER_BEST = ("middle-plane", "dct-variance")

Scores = dict[str, float]
Row = tuple[Scene, dict[str, Scores]]


def measure(contest: Contest, textures: Textures, *, quick: bool = False) -> dict[str, Any]:
    """Return by photon level the scores of every method, and the lead of each network over the others.

    Photons are counted on a pixel at white. `quick` takes 5 and 9 planes, and leaves out the noise-free level and the
    comparators that lead nowhere.
    """
    if quick:
        contest = replace(contest, classical=tuple(name for name in contest.classical if name not in NEVER_BEST))
    levels = {}
    planes = QUICK_PLANES if quick else PLANES
    for level in QUICK_LEVELS if quick else LEVELS:
        rows = [_judge(contest, scene, LEVELS[level], textures, hard=not quick) for scene in scenes(planes=planes)]
        levels[level] = _summarise(contest, rows)
    return {"stacks a level": len(rows), "side": SIDE, "planes": list(planes), "levels": levels}


def judge(result: FusedImage, case: SimulatedStack) -> Scores:
    """Return the scores of one result, in units of white, dB and planes."""
    found = score(result, simulated_case(case), [METRICS[name] for name in MEASURED])
    detail = textured(case.truth, data_range=case.white)
    if detail.any():
        depth = case.depth.clip(0, case.stack.n_planes - 1)
        found["depth-error textured"] = depth_error(result.depth, depth, mask=detail)
        found["decision-error textured"] = depth_error(result.decision, depth, mask=detail)
    return found


def error_where(
    contest: Contest, cases: Iterable[tuple[SimulatedStack, NDArray[np.bool_]]], *, hard: bool = False
) -> dict[str, Any]:
    """Return every method's RMSE, % of white, in the masks `(h, w)` of the cases; empty ones do not count.

    "ratio" is a network's mean over that of the best comparator.
    """
    rows: dict[str, list[Scores]] = {}
    for case, mask in cases:
        if not mask.any():
            continue
        for name, result in contest.fuse(case.stack, hard=hard).items():
            error = (gather(result, simulated_case(case)).fused - case.truth)[mask] / case.white
            rows.setdefault(name, []).append({"rmse": 100 * math.sqrt(float((error**2).mean()))})
    found = table(rows)
    best = min(found[name]["rmse"]["mean"] for name in COMPARATORS if name in found)
    return {
        "methods": found,
        "ratio": {name: round(found[name]["rmse"]["mean"] / best, 3) for name in contest.networks},
    }


def _judge(contest: Contest, scene: Scene, photons: float | None, textures: Textures, *, hard: bool) -> Row:
    case = scene.take(photons, textures)
    results = {ORACLE: oracle(case), **contest.fuse(case.stack, hard=hard)}
    return scene, {name: judge(result, case) for name, result in results.items()}


def oracle(case: SimulatedStack) -> FusedImage:
    """Fuse by the plane whose noise-free light lies nearest the truth, under a Gaussian window of 1.5 px."""
    off = [ndimage.gaussian_filter((plane - case.truth) ** 2, 1.5) for plane in case.clean]
    return compose(case.stack, np.argmin(off, axis=0))


def _summarise(contest: Contest, rows: list[Row]) -> dict[str, Any]:
    methods = list(rows[0][1])
    rivals = tuple(name for name in COMPARATORS if name in methods)

    def means(method: str, key: str, metric: str = "psnr") -> dict[str, float]:
        groups: dict[str, list[float]] = {}
        for scene, scores in rows:
            groups.setdefault(str(getattr(scene, key)), []).append(scores[method].get(metric, np.nan))
        return {group: round(float(np.nanmean(values)), 3) for group, values in groups.items()}

    return {
        "methods": table({method: [scores[method] for _, scores in rows] for method in methods}),
        "psnr by preset": {method: means(method, "preset") for method in methods},
        "psnr by planes": {method: means(method, "n_planes") for method in methods},
        "textured depth by preset": {method: means(method, "preset", "depth-error textured") for method in methods},
        "lead": {
            name: {
                "over the best comparator": _lead(rows, name, rivals),
                "over the best classical method": _lead(rows, name, (*rivals, FALLBACK)),
            }
            for name in contest.networks
        },
    }


def _lead(rows: list[Row], own: str, rivals: tuple[str, ...]) -> dict[str, Any]:
    """Return how far (dB) the mean lies above the best rival's: over all stacks, by preset, and stack by stack."""
    psnr = {name: np.array([scores[name]["psnr"] for _, scores in rows]) for name in (own, *rivals)}
    presets = np.array([scene.preset for scene, _ in rows])

    def ahead(where: Any) -> float:
        return round(float(psnr[own][where].mean() - max(psnr[name][where].mean() for name in rivals)), 3)

    each = psnr[own] - np.max([psnr[name] for name in rivals], axis=0)
    return {
        "of means": ahead(slice(None)),
        "by preset": {str(preset): ahead(presets == preset) for preset in dict.fromkeys(presets)},
        "mean over best of each stack": round(float(each.mean()), 3),
        "worst stack": round(float(each.min()), 3),
        "stacks won": round(float((each > 0).mean()), 3),
    }
