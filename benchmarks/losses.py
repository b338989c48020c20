"""What each recipe of losses buys, and each term of `microscopy`: `python -m benchmarks.losses --json results.json`.

Equal small networks start from equal weights, see the same simulated samples in the same order for the same number of
steps, and differ in the loss alone. All are then judged on stacks with truth that none has seen and on real ones.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.methods import spread
from benchmarks.scenes import held_out_textures
from benchmarks.setting import RESULTS, describe_setting, read_image, real_images, save
from napari_swinfusion.losses import intensity, soft_target
from napari_swinfusion.losses.filters import blur, laplacian, sobel
from napari_swinfusion.losses.recipes import RECIPES, Recipe
from napari_swinfusion.metrics.depth import depth_error
from napari_swinfusion.metrics.reference import psnr, textured
from napari_swinfusion.metrics.transfer import qabf
from napari_swinfusion.networks import FusionNetwork, build_network
from napari_swinfusion.simulation import PRESETS, simulate
from napari_swinfusion.training.objective import objective
from napari_swinfusion.training.samples import draw_batch, draw_length
from napari_swinfusion.training.textures import bundled_textures

NETWORK = {"stem_channels": 8, "dim": 32, "depths": [2]}
PLANES_PER_STEP, LONGEST, CROP, RATE, WARM_UP = 8, 16, 64, 3e-3, 30
PHOTONS, PLANES, SIDE, FIRST_SEED = (20_000, 1_000), (3, 7), 192, 9_500_001
PAIR_SIDE, CLOSE_UP = 512, (slice(300, 812), slice(400, 912))

Scores = dict[str, list[float]]
# Planes (n, h, w) in; fused image (h, w), and the decision map (h, w) where there is one.
Answer = Callable[[Tensor], tuple[Tensor, Tensor | None]]


@dataclass(frozen=True)
class Variant:
    """A recipe to train with, from the weights that `seed` draws."""

    recipe: Recipe
    seed: int = 0


def variants() -> dict[str, Variant]:
    """Return what is compared, by name; the document's recipes without the term that it does not list."""
    chosen = {name: _listed(recipe) for name, recipe in RECIPES.items()}
    microscopy = chosen["microscopy"].recipe
    for term, weight in microscopy.weights.items():
        if weight:
            chosen[f"microscopy without {term}"] = Variant(microscopy.with_weights({term: 0.0}))
    chosen["microscopy with focus"] = Variant(RECIPES["microscopy"])
    chosen["microscopy, other first weights"] = Variant(microscopy, seed=1)
    paper = chosen["swinfusion"].recipe
    sharper = replace(paper.parts["intensity"], loss=lambda e: intensity(e.image, e.sources, aggregate="sharpness"))
    chosen["swinfusion with the soft target"] = Variant(replace(paper, parts={**paper.parts, "intensity": sharper}))
    return chosen


def _listed(recipe: Recipe) -> Variant:
    return Variant(recipe if recipe.needs_truth else recipe.with_weights({"focus": 0.0}))


def train(chosen: dict[str, Variant], steps: int) -> dict[str, FusionNetwork]:
    """Train one network a variant, all on each batch before the next is drawn."""
    networks = {}
    for name, variant in chosen.items():
        torch.manual_seed(variant.seed)
        networks[name] = build_network("hybrid", NETWORK)
    optimizers = {
        name: torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=0.01, betas=(0.9, 0.98))
        for name, network in networks.items()
    }
    textures = list(bundled_textures().values())
    for step in range(steps):
        generator = torch.Generator().manual_seed(step)
        n = draw_length(generator, LONGEST)
        batch = draw_batch(generator, n=n, size=CROP, planes_per_step=PLANES_PER_STEP, textures=textures)
        rate = RATE * min((step + 1) / WARM_UP, 1) * 0.5 * (1 + math.cos(math.pi * step / steps))
        for name, network in networks.items():
            optimizer = optimizers[name]
            optimizer.param_groups[0]["lr"] = rate
            optimizer.zero_grad(set_to_none=True)
            with torch.autocast("cpu", torch.bfloat16):
                fused = network(batch.planes)
            objective(fused, batch, chosen[name].recipe).loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
        if (step + 1) % 20 == 0:
            print(f"step {step + 1} of {steps}", flush=True)
    return networks


def answers(chosen: dict[str, Variant], networks: dict[str, FusionNetwork]) -> dict[str, Answer]:
    """Return the trained networks and, to compare, the mean of the planes and the soft target itself.

    The decision is that of the focus where a recipe trains it, else that of the weights.
    """

    def ask(network: FusionNetwork, recipe: Recipe) -> Answer:
        def answer(planes: Tensor) -> tuple[Tensor, Tensor | None]:
            with torch.inference_mode():
                fused = network.eval()(planes[None])
            shares = fused.focus if recipe.weights["focus"] else fused.weights
            assert shares is not None
            return fused.image[0], shares[0].argmax(0)

        return answer

    asked: dict[str, Answer] = {name: ask(network, chosen[name].recipe) for name, network in networks.items()}
    asked["mean of the planes"] = lambda planes: (planes.mean(0), None)
    asked["the soft target itself"] = lambda planes: (soft_target(planes[None])[0], None)
    return asked


def judge_with_truth(asked: dict[str, Answer], textures: list[NDArray[Any]]) -> dict[str, Any]:
    """Return per photon level PSNR (dB), Qabf and depth error (planes) over held-out simulated stacks."""
    levels = {}
    for photons in PHOTONS:
        found: dict[str, Scores] = {name: {} for name in asked}
        seed = FIRST_SEED
        for preset in PRESETS:
            for n_planes in PLANES:
                for source in (None, textures or None):
                    seed += 1
                    # The lamp is matched before a network sees the planes; here it is steady from the start.
                    case = simulate(
                        preset=preset, n_planes=n_planes, height=SIDE, width=SIDE,
                        photons=photons, seed=seed, lamp_drift=0.0, textures=source,
                    )  # fmt: skip
                    planes = np.asarray(case.stack.data, dtype=np.float32) / case.white
                    _score(found, asked, planes, case.truth / case.white, case.depth)
        levels[str(photons)] = _means(found)
    return levels


def _score(
    found: dict[str, Scores],
    asked: dict[str, Answer],
    planes: NDArray[np.float32],
    truth: NDArray[np.float32],
    depth: NDArray[np.float32],
) -> None:
    detail = textured(truth, data_range=1.0)
    for name, answer in asked.items():
        fused, decision = answer(torch.from_numpy(planes))
        image = fused.numpy()
        scores = {"psnr": psnr(image, truth, data_range=1.0), "qabf": qabf(image, planes)}
        if detail.any() and not detail.all():
            scores["psnr textured"] = psnr(image, truth, data_range=1.0, mask=detail)
            scores["psnr flat"] = psnr(image, truth, data_range=1.0, mask=~detail)
            if decision is not None:
                scores["depth textured"] = depth_error(decision.numpy(), depth, mask=detail)
        for key, value in scores.items():
            found[name].setdefault(key, []).append(value)


def judge_real(asked: dict[str, Answer], images: Path) -> dict[str, Any]:
    """Return Qabf over the Lytro pairs, and what an organoid stack keeps of its detail and of its noise."""
    found: dict[str, Scores] = {name: {} for name in asked}
    for first in sorted((images / "lytro").glob("*A.jpg")):
        pair = (read_image(first), read_image(first.with_name(first.name.replace("A.jpg", "B.jpg"))))
        grey = [(image @ np.array([0.299, 0.587, 0.114]) / 255)[:PAIR_SIDE, :PAIR_SIDE] for image in pair]
        planes = np.stack(grey).astype(np.float32)
        for name, answer in asked.items():
            found[name].setdefault("lytro qabf", []).append(qabf(answer(torch.from_numpy(planes))[0].numpy(), planes))
    files = sorted((images / "zstack_organoid_bf_A01").glob("A01_z*.tif"))
    organoid = torch.from_numpy(np.stack([read_image(file)[..., 0][CLOSE_UP] for file in files]) / np.float32(255))
    kept = _kept(organoid)
    for name, answer in asked.items():
        found[name]["organoid detail"], found[name]["organoid noise"] = kept(answer(organoid)[0])
    return _means(found)


def _kept(planes: Tensor) -> Callable[[Tensor], tuple[list[float], list[float]]]:
    """Return a judge of images: detail on objects, noise on the background, each as a part of the planes'.

    Detail is the Tenengrad energy on the quarter of the pixels that has most of it, against that of the sharpest plane
    at each pixel; noise is the standard deviation of the Laplacian on the half that has least, against a plane's.
    """

    def energy(image: Tensor) -> Tensor:
        along_y, along_x = sobel(image)
        return blur(along_y.square() + along_x.square(), 2.0)

    strongest = energy(planes).amax(0)
    place = energy(planes.mean(0)).flatten()
    objects, background = place > place.quantile(0.75), place < place.quantile(0.5)

    def noise(image: Tensor) -> Tensor:
        return laplacian(image).flatten(-2)[..., background].std(-1)

    single = noise(planes).mean()

    def judge(image: Tensor) -> tuple[list[float], list[float]]:
        detail = energy(image).flatten()[objects].sum() / strongest.flatten()[objects].sum()
        return [float(detail)], [float(noise(image) / single)]

    return judge


def _means(found: dict[str, Scores]) -> dict[str, Any]:
    return {name: {key: spread(values) for key, values in scores.items()} for name, scores in found.items()}


def table(results: dict[str, Any]) -> str:
    """Return the figures as a Markdown table, a row a variant."""
    columns: list[tuple[str, dict[str, Any], str, int]] = []
    for photons, level in results["simulated"].items():
        columns += [(f"{key}, {int(photons):,} photons", level, key, 1) for key in ("psnr textured", "psnr flat")]
    clean = results["simulated"][str(PHOTONS[0])]
    columns += [
        (f"{key}, {PHOTONS[0]:,} photons", clean, key, digits) for key, digits in (("qabf", 3), ("depth textured", 2))
    ]
    if "real" in results:
        columns += [(key, results["real"], key, 3) for key in ("lytro qabf", "organoid detail", "organoid noise")]
    lines = ["| | " + " | ".join(title for title, *_ in columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for name in next(iter(results["simulated"].values())):
        cells = [
            f"{scores[name][key]['mean']:.{digits}f}" if key in scores[name] else ""
            for _, scores, key, digits in columns
        ]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Train, judge, print the table and save the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, default=RESULTS / "losses.json", help="where the numbers go")
    parser.add_argument("--steps", type=int, default=160, help="optimiser steps of each network")
    options = parser.parse_args()

    torch.set_num_threads(1)
    chosen = variants()
    networks = train(chosen, options.steps)
    asked, images = answers(chosen, networks), real_images()
    results: dict[str, Any] = {
        "setting": describe_setting(),
        "training": {
            "network": NETWORK, "steps": options.steps, "planes per step": PLANES_PER_STEP, "crop": CROP, "rate": RATE,
            "weights": {name: variant.recipe.weights for name, variant in chosen.items()},
        },
        "simulated": judge_with_truth(asked, held_out_textures(images)),
    }  # fmt: skip
    if images is None:
        print("No real images found; set SWINFUSION_DATA to their folder to measure on them.")
    else:
        results["real"] = judge_real(asked, images)
    print(table(results))
    save(results, options.json)


if __name__ == "__main__":
    main()
