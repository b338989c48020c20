"""Measure quality: `python -m benchmarks.quality --json results.json --sheets DIR`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from benchmarks.methods import make_methods
from benchmarks.pairs import measure_transfer, measure_truth
from benchmarks.setting import RESULTS, describe_setting, real_images, save
from benchmarks.sheets import draw_sheets
from benchmarks.simulated import held_out_textures, measure
from napari_swinfusion.decide.registry import make_decider

PARTS = ("simulated", "nyud", "transfer", "sheets")


def main() -> None:
    """Run the parts asked for, print them as tables and save them as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, default=RESULTS / "quality.json", help="where the numbers go")
    parser.add_argument("--sheets", type=Path, help="folder for contact sheets of the real stacks; none by default")
    parser.add_argument("--model", default="default", help="shipped network or weights file")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="parts to run")
    options = parser.parse_args()

    methods = make_methods(options.model)
    images = real_images()
    results: dict[str, Any] = {"setting": describe_setting()}
    if "network soft" in methods:
        info = make_decider(options.model, device="cpu").info
        results["model"] = {"name": info.name, "sha256": info.sha256}
    if "simulated" in options.only:
        results["simulated"] = measure(methods, held_out_textures(images))
        _print_simulated(results["simulated"])
    if images is None:
        print("No real images found; set SWINFUSION_DATA to their folder to measure on them.")
    else:
        _measure_real(options, methods, images, results)
    save(results, options.json)


def _measure_real(options: argparse.Namespace, methods: dict[str, Any], images: Path, results: dict[str, Any]) -> None:
    if "nyud" in options.only:
        results["nyud psnr"] = measure_truth(methods, images)
        _print_table("NYU-D pairs, PSNR in dB", results["nyud psnr"])
    if "transfer" in options.only:
        for folder in ("lytro", "mfi_whu"):
            results[f"{folder} qabf"] = measure_transfer(methods, images, folder)
            _print_table(f"{folder} pairs, Qabf", results[f"{folder} qabf"], digits=4)
    if "sheets" in options.only and options.sheets is not None:
        draw_sheets(methods, images, options.sheets)


def _print_simulated(simulated: dict[str, Any]) -> None:
    columns = ("psnr", "psnr textured", "psnr flat", "ssim", "depth", "depth textured")
    for photons, level in simulated["levels"].items():
        print(f"\n{simulated['stacks']} simulated stacks at {photons} photons")
        print(f"{'':20}" + "".join(f"{column:>16}" for column in columns))
        for name, scores in level["methods"].items():
            print(f"{name:20}" + "".join(f"{scores[column]['mean']:16.2f}" for column in columns))
        for against, lead in level.get("lead", {}).items():
            print(f"lead {against}: " + ", ".join(f"{key} {value}" for key, value in lead.items()))


def _print_table(title: str, rows: dict[str, dict[str, float]], digits: int = 2) -> None:
    print(f"\n{title}")
    for name, scores in rows.items():
        print(f"{name:20}{scores['mean']:10.{digits}f} ± {scores['sd']:.{digits}f}")


if __name__ == "__main__":
    main()
