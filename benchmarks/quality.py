"""Measure quality: `python -m benchmarks.quality`, or a part of it: `--only simulated --quick --model FILE`.

Every part writes a JSON file of its own. The results that are kept (in `results/quality`, and the tables and figure of
the docs made from them by `python -m benchmarks.report`) are those of the networks that ship, measured in full; a
candidate's are only printed, unless `--out` says where they go.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import background, defocus_spread, lamp, moving, pairs, real, robustness, simulated, specks
from benchmarks.methods import Contest, make_contest
from benchmarks.report import show
from benchmarks.scenes import Textures, held_out_textures
from benchmarks.setting import RESULTS, describe_setting, real_images, save

KEPT = RESULTS / "quality"


@dataclass(frozen=True, kw_only=True)
class Material:
    """What the parts are measured on."""

    contest: Contest
    textures: Textures
    images: Path | None
    quick: bool
    sheets: Path | None


PARTS: dict[str, Callable[[Material], dict[str, Any]]] = {
    "simulated": lambda given: simulated.measure(given.contest, given.textures, quick=given.quick),
    "pairs": lambda given: {} if given.images is None else pairs.measure(given.contest, given.images),
    "real": lambda given: {} if given.images is None else real.measure(given.contest, given.images, given.sheets),
    "background": lambda given: background.measure(given.contest, given.textures),
    "spread": lambda given: defocus_spread.measure(given.contest, given.textures),
    "moving": lambda given: moving.measure(given.contest, given.textures),
    "specks": lambda given: specks.measure(given.contest, given.textures),
    "lamp": lambda given: lamp.measure(given.contest, given.textures),
    "robustness": lambda given: robustness.measure(given.contest, given.textures),
}


def main() -> None:
    """Run the parts asked for, print them as tables and save them as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=tuple(PARTS), help="parts to run")
    parser.add_argument("--model", nargs="+", help="names or weights files; by default every network that ships")
    parser.add_argument("--quick", action="store_true", help="fewer planes and photon levels of the simulated part")
    parser.add_argument("--out", type=Path, help="folder for the JSON files")
    parser.add_argument("--sheets", type=Path, help="folder for sheets of the real stacks; none by default")
    options = parser.parse_args()

    out = options.out or (KEPT if options.model is None and not options.quick else None)
    images = real_images()
    given = Material(
        contest=make_contest(options.model),
        textures=held_out_textures(images),
        images=images,
        quick=options.quick,
        sheets=options.sheets,
    )
    if images is None:
        print("No real images found; set SWINFUSION_DATA to their folder to measure on them.")
    for name in options.only:
        started = time.process_time()
        results = PARTS[name](given)
        if not results:
            continue
        show(name, results)
        print(f"({name}: {time.process_time() - started:.0f} CPU seconds)")
        if out is not None:
            save({"setting": describe_setting(), "networks": given.contest.facts(), **results}, out / f"{name}.json")


if __name__ == "__main__":
    main()
