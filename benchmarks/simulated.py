"""Quality on simulated stacks, where the all-in-focus image and the depth are known.

Seeds and textures are disjoint from training: half of the scenes are drawn from procedural textures with seeds that
training never takes, half are cut from microscope images that training never sees (left out where absent).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.methods import TEXTBOOK, Method, spread
from benchmarks.setting import read_image
from napari_swinfusion import FusedImage
from napari_swinfusion.metrics.depth import depth_error
from napari_swinfusion.metrics.reference import psnr, ssim, textured
from napari_swinfusion.simulation import PRESETS, SimulatedStack, simulate
from napari_swinfusion.simulation.camera import Camera

PHOTONS = (20_000, 2_000, 500)
PLANES = (5, 9, 15)
SIDE = 256
FIRST_SEED = 9_000_001
HELD_OUT = (
    "hela-cells-8bit_rgb.tif",
    "embryos_grey.tif",
    "maize_clsm.tif",
    "organoid_bf_1.tif",
    "fly_01_POS076_R.tif",
    "bbbc007_A9p7d.tif",
    "skimage_ihc.png",
    "skimage_cell.png",
)

Scores = dict[str, float]


def held_out_textures(images: Path | None) -> list[NDArray[Any]]:
    """Return the sharp grey images that training leaves out."""
    if images is None:
        return []
    return [_grey(images / "micro_sharp" / name) for name in HELD_OUT]


def _grey(path: Path) -> NDArray[np.float32]:
    image = np.squeeze(read_image(path)).astype(np.float32)
    if image.ndim == 3:
        image = image.mean(axis=0 if image.shape[0] <= 4 else -1)
    return image


def draw_stacks(textures: list[NDArray[Any]], photons: float) -> Iterator[tuple[str, SimulatedStack]]:
    """Draw the benchmark: the same scenes for every number of photons, with the name of their preset."""
    seed = FIRST_SEED
    for preset in PRESETS:
        for n_planes in PLANES:
            for source in (None, textures):
                seed += 1
                if source == []:
                    continue
                yield (
                    preset,
                    simulate(
                        preset=preset,
                        n_planes=n_planes,
                        height=SIDE,
                        width=SIDE,
                        photons=photons,
                        seed=seed,
                        textures=source,
                    ),
                )


def score(result: FusedImage, case: SimulatedStack) -> Scores:
    """Compare one result with the truth, in units of white."""
    truth, image = case.truth / case.white, _in_true_light(result, case) / case.white
    detail = textured(truth, data_range=1.0)
    scores = {
        "psnr": psnr(image, truth, data_range=1.0),
        "ssim": ssim(image, truth, data_range=1.0),
        "depth": depth_error(result.decision, case.depth),
    }
    for name, mask in (("textured", detail), ("flat", ~detail)):
        there = bool(mask.any())
        scores[f"psnr {name}"] = psnr(image, truth, data_range=1.0, mask=mask) if there else math.nan
        if name == "textured":
            scores["depth textured"] = depth_error(result.decision, case.depth, mask=mask) if there else math.nan
    return scores


def _in_true_light(result: FusedImage, case: SimulatedStack) -> NDArray[np.float64]:
    """Return the image as under the steady lamp of the truth.

    The illumination match brings all planes to one of them, whose lamp is not the truth's: that one factor, known
    from the simulation and equal for all methods that used the same match, is taken out before the comparison.
    """
    dark = Camera.offset * case.white
    gains, offsets = (np.ravel(result.provenance[key]) for key in ("gains", "offsets"))
    gain = float(np.mean(gains * np.array(case.lamp)))
    offset = float(np.mean(gains * dark + offsets))
    return (result.image.astype(np.float64) - offset) / gain + dark


def measure(methods: dict[str, Method], textures: list[NDArray[Any]]) -> dict[str, Any]:
    """Return per photon level the scores of every method and the network's lead over the others."""
    levels = {}
    for photons in PHOTONS:
        rows: dict[str, list[Scores]] = {name: [] for name in methods}
        presets = []
        for preset, case in draw_stacks(textures, photons):
            presets.append(preset)
            for name, method in methods.items():
                rows[name].append(score(method(case.stack), case))
        levels[str(photons)] = _summarise(rows, presets)
    return {"stacks": len(presets), "side": SIDE, "planes": PLANES, "levels": levels}


def _summarise(rows: dict[str, list[Scores]], presets: list[str]) -> dict[str, Any]:
    table = {name: {key: spread([scores[key] for scores in found]) for key in found[0]} for name, found in rows.items()}
    by_preset = {
        name: {
            preset: spread([scores["psnr"] for scores, of in zip(found, presets, strict=True) if of == preset])["mean"]
            for preset in dict.fromkeys(presets)
        }
        for name, found in rows.items()
    }
    summary: dict[str, Any] = {"methods": table, "psnr by preset": by_preset}
    if "network soft" in rows:
        summary["lead"] = {
            "over the best textbook method": _lead(rows, TEXTBOOK),
            "over the best classical method": _lead(rows, (*TEXTBOOK, "tenengrad guarded")),
        }
    return summary


def _lead(rows: dict[str, list[Scores]], rivals: tuple[str, ...]) -> dict[str, float]:
    """Return how far (dB) the network's mean lies above the best rival's, and above the best rival of each stack."""
    own = np.array([scores["psnr"] for scores in rows["network soft"]])
    theirs = np.array([[scores["psnr"] for scores in rows[name]] for name in rivals])
    each = own - theirs.max(axis=0)
    return {
        "of means": round(float(own.mean() - theirs.mean(axis=1).max()), 3),
        "mean over best of each stack": round(float(each.mean()), 3),
        "worst stack": round(float(each.min()), 3),
        "stacks won": round(float((each > 0).mean()), 3),
    }
