"""Compare networks, mergers and mixers after equal CPU time of training: `python -m benchmarks.networks --minutes 2`.

Every network starts from the same seed, sees the same simulated samples in the same order and stops when its forward,
backward and optimiser steps have taken the same CPU time; drawing samples does not count. Trained networks are kept in
`--work`, so that a run that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.losses import PHOTONS, Answer, judge_with_truth
from benchmarks.scenes import held_out_textures
from benchmarks.setting import RESULTS, ROOT, describe_setting, real_images, save
from napari_swinfusion.decide.profile import NetworkProfile, profile
from napari_swinfusion.losses.recipes import get_recipe
from napari_swinfusion.networks import FusionNetwork, build_network, list_presets
from napari_swinfusion.networks.blocks.mergers import MERGERS
from napari_swinfusion.networks.blocks.mixers import MIXERS
from napari_swinfusion.tiling import padded_size
from napari_swinfusion.training.objective import objective
from napari_swinfusion.training.samples import Batch, draw_batch, draw_length
from napari_swinfusion.training.textures import bundled_textures
from napari_swinfusion.weights import read_header, read_model, save_model

PLAIN: dict[str, Any] = {"stem_channels": 8, "dim": 32, "depths": [2]}
# As the shipped weights of that name.
SHARES: dict[str, Any] = {"upscale": 1, "output": "weights", "value_range": 16.0}
PLANES_PER_STEP, LONGEST, CROP, RATE, WARM_UP = 8, 16, 64, 2e-3, 0.05
PROFILE_PLANES, PROFILE_SIDE = 2, 256
# Beyond this a network takes no more than a few steps in the minutes that the others need.
MOST_PARAMETERS = 5_000_000


@dataclass(frozen=True)
class Entry:
    """A network to compare: a registered name and settings that differ from its own."""

    network: str
    settings: dict[str, Any] = field(default_factory=dict)

    def build(self) -> FusionNetwork:
        """Return it with fresh weights, the same every time."""
        torch.manual_seed(0)
        return build_network(self.network, self.settings)


def entries() -> dict[str, Entry]:
    """Return what is compared, by name: one plain network, it with each merger and mixer, and the presets.

    Presets that enlarge are taken at their input's size: there is no larger truth to compare with.
    """
    chosen = {"plain hybrid": Entry("hybrid", PLAIN)}
    chosen |= {f"merger {name}": Entry("hybrid", PLAIN | {"merger": name}) for name in MERGERS}
    chosen |= {f"mixer {name}": Entry("hybrid", PLAIN | {"mixer": name}) for name in MIXERS}
    chosen["hybrid, the default's size"] = Entry("hybrid")
    for name in list_presets():
        enlarges = build_network(name).info.upscale != 1
        chosen[name] = Entry(name, {"upscale": 1, "upsampler": ""} if enlarges else {})
    chosen["swinfusion-lite, shares"] = Entry("swinfusion-lite", SHARES)
    return chosen


def train(network: FusionNetwork, seconds: float) -> int:
    """Train for `seconds` of this process's CPU time and return the number of steps."""
    recipe, textures = get_recipe("supervised"), list(bundled_textures().values())
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=0.01, betas=(0.9, 0.98))
    most = network.info.planes[1]
    network.train()
    spent, step = 0.0, 0
    while spent < seconds:
        batch = _draw(step, most, padded_size(CROP, network.info.size_multiple), textures)
        share = spent / seconds
        optimizer.param_groups[0]["lr"] = RATE * min(share / WARM_UP + 0.05, 1) * 0.5 * (1 + math.cos(math.pi * share))
        started = time.process_time()
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16):
            fused = network(batch.planes)
        objective(fused, batch, recipe).loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        spent += time.process_time() - started
        step += 1
    network.eval()
    return step


def _draw(step: int, most: int | None, size: int, textures: list[Tensor]) -> Batch:
    generator = torch.Generator().manual_seed(step)
    n = draw_length(generator, LONGEST)
    n = n if most is None else min(n, most)
    return draw_batch(generator, n=n, size=size, planes_per_step=PLANES_PER_STEP, textures=textures)


def trained(name: str, entry: Entry, seconds: float, work: Path) -> tuple[FusionNetwork, int]:
    """Return the trained network and its number of steps, from `work` where it was trained for as long before."""
    path = work / f"{name.replace(' ', '-').replace(',', '').replace(chr(39), '')}.safetensors"
    if path.exists() and (story := read_header(path)["story"])["seconds"] == seconds:
        return read_model(path), story["steps"]
    network = entry.build()
    steps = train(network, seconds)
    work.mkdir(parents=True, exist_ok=True)
    save_model(network, path, {"summary": name, "seconds": seconds, "steps": steps})
    return network, steps


def answer_of(network: FusionNetwork) -> Answer:
    """Return how `network` fuses planes of any number; one that takes a pair goes from plane to plane."""

    def fuse(planes: Tensor) -> tuple[Tensor, Tensor | None]:
        with torch.inference_mode():
            fused = network(planes[None])
        shares = fused.weights if fused.focus is None else fused.focus
        return fused.image[0].clamp(-0.5, 1.5), None if shares is None else shares[0].argmax(0)

    def fuse_in_turn(planes: Tensor) -> tuple[Tensor, Tensor | None]:
        image = planes[0]
        for plane in planes[1:]:
            image = fuse(torch.stack([image, plane]))[0]
        return image, None

    return fuse if network.info.planes[1] is None else fuse_in_turn


def compare(chosen: dict[str, Entry], seconds: float, work: Path, tell: Callable[[str], None]) -> dict[str, Any]:
    """Train, profile and judge all of `chosen`; return quality and cost of each."""
    asked: dict[str, Answer] = {}
    rows: dict[str, dict[str, Any]] = {}
    for name, entry in chosen.items():
        if sum(weights.numel() for weights in entry.build().parameters()) > MOST_PARAMETERS:
            tell(f"{name}: left out, more than {MOST_PARAMETERS:,} parameters")
            continue
        network, steps = trained(name, entry, seconds, work)
        cost = profile(network, planes=PROFILE_PLANES, size=PROFILE_SIDE, device="cpu", repeats=5)
        rows[name] = {"steps": steps, "reach": network.info.reach, "cost": asdict(cost)}
        asked[name] = answer_of(network)
        tell(f"{name}: {steps} steps, {_cost(cost)}")
    asked["mean of the planes"] = lambda planes: (planes.mean(0), None)
    rows["mean of the planes"] = {}
    for photons, level in judge_with_truth(asked, held_out_textures(real_images())).items():
        for name, scores in level.items():
            rows[name].setdefault("quality", {})[photons] = scores
    return rows


def _cost(cost: NetworkProfile) -> str:
    return f"{cost.parameters:,} parameters, {cost.flops / 1e9:.1f} GFLOP, {cost.seconds * 1000:.0f} ms"


def table(rows: dict[str, dict[str, Any]]) -> str:
    """Return quality and cost as one Markdown table, a row a network."""
    some, few = (str(photons) for photons in PHOTONS)
    columns: list[tuple[str, Callable[[dict[str, Any]], str]]] = [
        ("PSNR textured, dB", lambda row: _score(row, some, "psnr textured", 2)),
        ("PSNR flat, dB", lambda row: _score(row, some, "psnr flat", 2)),
        (f"PSNR textured, {few} photons", lambda row: _score(row, few, "psnr textured", 2)),
        ("Qabf", lambda row: _score(row, some, "qabf", 3)),
        ("depth error, planes", lambda row: _score(row, some, "depth textured", 2)),
        ("steps", lambda row: f"{row['steps']}" if "steps" in row else ""),
        ("parameters", lambda row: f"{row['cost']['parameters']:,}" if "cost" in row else ""),
        ("GFLOP", lambda row: f"{row['cost']['flops'] / 1e9:.2f}" if "cost" in row else ""),
        ("ms", lambda row: f"{row['cost']['seconds'] * 1000:.0f}" if "cost" in row else ""),
    ]
    lines = ["| | " + " | ".join(title for title, _ in columns) + " |", "|---" * (len(columns) + 1) + "|"]
    lines += [f"| {name} | " + " | ".join(cell(row) for _, cell in columns) + " |" for name, row in rows.items()]
    return "\n".join(lines)


def _score(row: dict[str, Any], photons: str, key: str, digits: int) -> str:
    scores = row["quality"][photons]
    return f"{scores[key]['mean']:.{digits}f}" if key in scores else ""


def page(results: dict[str, Any]) -> str:
    """Return the page of the documentation that shows `results`."""
    minutes = f"{results['minutes']:g} CPU-minute{'' if results['minutes'] == 1 else 's'}"
    return f"""# Networks, mergers and mixers compared

Each network had {minutes} of training, on the same simulated samples in the same order, and
was then judged on stacks that none has seen ({PHOTONS[0]:,} photons where not said otherwise). So this compares what
can be learnt in equal time on one core, not what a network can reach in the end: small and fast ones take more steps
and look better than they would after a day. The plain hybrid (one stage of {PLAIN["depths"][0]} blocks,
{PLAIN["dim"]} channels a token, {PLAIN["stem_channels"]} at full resolution) is the base of the rows with a merger or
a mixer. Networks that take a pair go from plane to plane. Cost is of {PROFILE_PLANES} planes of
{PROFILE_SIDE} × {PROFILE_SIDE} px on one core, as `swinfusion models profile` measures it.
`make bench-networks` repeats all of it.

{table(results["networks"])}
"""


def main() -> None:
    """Compare all, or those named; save the figures and, if asked, the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=2.0, help="CPU time of training for each network")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="rows to measure; all by default")
    parser.add_argument("--work", type=Path, default=ROOT / "runs" / "networks", help="folder of the trained networks")
    parser.add_argument("--json", type=Path, default=RESULTS / "networks.json", help="where the numbers go")
    parser.add_argument("--page", type=Path, help="Markdown page to write, docs/explanation/networks-compared.md")
    options = parser.parse_args()
    torch.set_num_threads(1)
    known = entries()
    unknown = sorted(set(options.only or ()) - set(known))
    if unknown:
        parser.error(f"there is no {unknown[0]!r}; known are {', '.join(known)}")
    chosen = {name: known[name] for name in options.only or known}
    rows = compare(chosen, options.minutes * 60, options.work, lambda line: print(line, flush=True))
    results = {"setting": describe_setting(), "minutes": options.minutes, "networks": rows}
    save(results, options.json)
    if options.page:
        options.page.write_text(page(results), encoding="utf-8")
    print(table(rows))


if __name__ == "__main__":
    main()
