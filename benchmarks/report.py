"""From kept results to the page on quality: tables, figure and goals; `python -m benchmarks.report` writes them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from benchmarks.figure import draw_figure
from benchmarks.goals import check_goals
from benchmarks.setting import RESULTS, ROOT

PAGE = ROOT / "docs" / "explanation" / "quality.md"
FIGURE = ROOT / "docs" / "images" / "quality.png"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"

Results = dict[str, Any]


def main() -> None:
    """Write what was measured into the page, between its two marks, and draw the figure."""
    kept = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in (RESULTS / "quality").glob("*.json")}
    before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
    _, after = rest.split(END)
    PAGE.write_text(before + measured(kept) + after, encoding="utf-8")
    if "simulated" in kept:
        draw_figure(kept["simulated"]).save(FIGURE, optimize=True)


def measured(kept: dict[str, Results]) -> str:
    """Return the measured part of the page, with its marks, from the results by part."""
    goals = grid(("Goal", "Asked", "Measured", "Met"), [goal.row() for goal in check_goals(kept)])
    sections = [f"### {TITLES[name]}\n\n{TABLES[name](kept[name])}" for name in TABLES if name in kept]
    return "\n\n".join([BEGIN, setting(kept), "### Goals", goals, *sections, END])


def show(name: str, results: Results) -> None:
    """Print the tables of one part."""
    print(f"\n{TITLES[name]}\n\n{TABLES[name](results)}")


def setting(kept: dict[str, Results]) -> str:
    """Return where all this was measured, and with which weights."""
    lines = {
        f"{part['setting']['processor']}, torch {part['setting']['torch']}; "
        + ", ".join(f"`{name}` {facts['sha256'][:12]}" for name, facts in part["networks"].items())
        for part in kept.values()
    }
    return "Measured on " + "; and on ".join(sorted(lines)) + "."


def grid(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def cell(found: dict[str, dict[str, float]], metric: str, digits: int) -> str:
    """Return mean and spread of a metric."""
    if metric not in found:
        return "-"
    return f"{found[metric]['mean']:.{digits}f} ± {found[metric]['sd']:.{digits}f}"


def _simulated(results: Results) -> str:
    levels = results["levels"]
    names = [_light(level) for level in levels]
    methods = list(next(iter(levels.values()))["methods"])
    tables = [
        f"{results['stacks a level']} stacks a level of {results['side']} × {results['side']} px, "
        f"{', '.join(map(str, results['planes']))} planes. PSNR in dB, mean ± standard deviation:",
        grid(
            ("Method", *names),
            [(name, *(cell(level["methods"][name], "psnr", 1) for level in levels.values())) for name in methods],
        ),
        "PSNR on textured / on flat pixels, dB:",
        _across(levels, {"psnr-textured": 1, "psnr-flat": 1}),
        "MS-SSIM / error on textured pixels of the depth map / of the decision map, planes:",
        _across(levels, {"ms-ssim": 4, "depth-error textured": 2, "decision-error textured": 2}),
        "Error of the depth map on textured pixels by preset, planes, with the most light that has noise:",
        _depths(levels["20000"]["textured depth by preset"]),
        "Lead over the best comparator, dB, over all stacks and in each preset; share of stacks where no comparator is "
        "better:",
        _leads(levels, names),
    ]
    return "\n\n".join(tables)


def _across(levels: Results, metrics: dict[str, int]) -> str:
    """Return a table: methods down, levels across, these metrics in each cell with so many digits."""
    tables = {_light(key): level["methods"] for key, level in levels.items()}
    rows = [
        (name, *(" / ".join(_mean(found[name], key, n) for key, n in metrics.items()) for found in tables.values()))
        for name in next(iter(tables.values()))
    ]
    return grid(("Method", *tables), rows)


def _depths(by_method: dict[str, dict[str, float]]) -> str:
    rows = [(name, *(f"{value:.2f}" for value in found.values())) for name, found in by_method.items()]
    return grid(("Method", *next(iter(by_method.values()))), rows)


def _leads(levels: Results, names: list[str]) -> str:
    leads = {name: level["lead"] for name, level in zip(names, levels.values(), strict=True)}
    presets = list(next(iter(next(iter(leads.values())).values()))["over the best comparator"]["by preset"])
    rows = [
        (
            network,
            light,
            f"{lead['over the best comparator']['of means']:+.1f}",
            *(f"{lead['over the best comparator']['by preset'][preset]:+.1f}" for preset in presets),
            f"{100 * lead['over the best comparator']['stacks won']:.0f} %",
        )
        for light, networks in leads.items()
        for network, lead in networks.items()
    ]
    return grid(("Network", "Photons", "All", *presets, "Won"), rows)


def _pairs(results: Results) -> str:
    heads = {"lytro": "Lytro", "mfi_whu": "MFI-WHU"}
    parts = [
        "NYU-D rows, PSNR of all colours, dB:",
        grid(("Method", "PSNR"), [(name, cell(found, "psnr", 1)) for name, found in results["nyud"].items()]),
    ]
    for folder, title in heads.items():
        metrics = list(next(iter(results[folder].values())))
        rows = [
            (name, *(f"{found[metric]['mean']:.4f}" for metric in metrics)) for name, found in results[folder].items()
        ]
        parts += [f"{title} rows:", grid(("Method", *metrics), rows)]
    return "\n\n".join(parts)


def _real(results: Results) -> str:
    parts = []
    for stack, found in results.items():
        if stack in ("setting", "networks"):
            continue
        first = next(iter(found["methods"].values()))
        ratios = [key for key in ("objects", "objects less noise", "large less noise", "rims", "cells") if key in first]
        rows = [
            (
                name,
                *(f"{row[key]['mean']:.3f} / {row[key]['least']:.3f}" for key in ratios),
                *(f"{row[key]:.3f}" if key in row else "-" for key in ("grain", "steps")),
            )
            for name, row in found["methods"].items()
        ]
        head = ("Method", *ratios, "grain", "steps")
        parts += [f"{stack}, {found['objects']} objects:", grid(head, rows)]
    return "\n\n".join(parts)


def _by_level(metrics: dict[str, int], *, of: str = "stacks") -> Callable[[Results], str]:
    """Return a table maker for results by level, and then by method, each a mean `of` things."""

    def make(results: Results) -> str:
        levels = {key: value for key, value in results.items() if key not in ("setting", "networks")}
        count = next(iter(next(iter(levels.values()))["methods"].values()))[next(iter(metrics))]["n"]
        return f"{' / '.join(metrics)}, mean over {count} {of}:\n\n" + _across(levels, metrics)

    return make


def _mean(found: dict[str, dict[str, float]], metric: str, digits: int) -> str:
    return f"{found[metric]['mean']:.{digits}f}" if metric in found else "-"


def _robustness(results: Results) -> str:
    harms = results["harms"]
    rows = [(name, *(_loss(found[name]) for found in harms.values())) for name in next(iter(harms.values()))]
    lengths = results["lengths"]
    methods = [name for name in next(iter(lengths.values())) if name != "which"]
    longer = [(name, *(f"{found[name]:.1f}" for found in lengths.values())) for name in methods]
    return "\n\n".join(
        [
            "PSNR lost, dB, and share of the results with a notice on it:",
            grid(("Method", *harms), rows),
            "PSNR by number of planes, dB:",
            grid(("Method", *lengths), longer),
        ]
    )


def _loss(found: dict[str, dict[str, float]]) -> str:
    return f"{found['loss']['mean']:+.2f} ({100 * found['told']['mean']:.0f} %)"


def _light(level: str) -> str:
    return f"{int(level):,} photons" if level.isdecimal() else level


TITLES = {
    "simulated": "Simulated stacks",
    "spread": "Defocus spread: RMSE round occlusion edges, % of white",
    "moving": "What moves between planes: RMSE where it is seen, % of white",
    "background": "Flat background",
    "specks": "Lone specks: contrast kept",
    "lamp": "Lamp drift of 5 %: PSNR lost, dB",
    "robustness": "Robustness",
    "pairs": "Photograph pairs",
    "real": "Real stacks",
}

TABLES: dict[str, Callable[[Results], str]] = {
    "simulated": _simulated,
    "spread": _by_level({"rmse": 2}),
    "moving": _by_level({"rmse": 2}),
    "background": _by_level({"sd": 2, "sd over the best plane": 2, "steps": 4}),
    "specks": _by_level({"kept": 2}, of="specks"),
    "lamp": _by_level({"loss": 2}),
    "robustness": _robustness,
    "pairs": _pairs,
    "real": _real,
}


if __name__ == "__main__":
    main()
