"""Write the reference of the Python names, the metrics and the command line from the code itself.

Without `--write` the pages are only compared, which is what the contract test does.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main
from typer.testing import CliRunner

from napari_swinfusion.cli.app import app
from napari_swinfusion.metrics import METRICS, MetricInfo

REFERENCE = Path(__file__).resolve().parent.parent / "docs" / "reference"
WRITTEN_BY = "*This page is written from the code by `make docs`.*"
ROOMS = {
    "napari_swinfusion": "What most scripts need, as `import napari_swinfusion as nsf`.",
    "napari_swinfusion.io": "Reading and writing.",
    "napari_swinfusion.decide.base": "For deciders of your own: hand one to `fuse(model=...)`.",
    "napari_swinfusion.metrics": "What a metric declares and needs; each is described on its [own page](metrics.md).",
    "napari_swinfusion.progress": "How a long run is watched and stopped.",
    "napari_swinfusion.errors": "What is raised on purpose. A message is one sentence for the user.",
}


def python_page() -> str:
    """Return the page of public names: signature and docstring of each."""
    lines = ["# Python", "", WRITTEN_BY, ""]
    shown: set[int] = set()
    for room, summary in ROOMS.items():
        lines += [f"## {room}", "", summary, ""]
        for name, value in public(room):
            if id(value) not in shown:
                shown.add(id(value))
                lines += [
                    f"### {name}",
                    "",
                    "```text",
                    signature(name, value),
                    "",
                    *(inspect.getdoc(value) or "").splitlines(),
                    "```",
                    "",
                ]
    return "\n".join(lines)


def public(room: str) -> Iterator[tuple[str, Any]]:
    """Yield the public classes and functions of a module, in the order of its `__all__` or of its text."""
    module = importlib.import_module(room)
    own = [name for name, value in vars(module).items() if getattr(value, "__module__", "") == room]
    for name in getattr(module, "__all__", own):
        value = getattr(module, name)
        if not name.startswith("_") and (inspect.isclass(value) or inspect.isfunction(value)):
            yield name, value


def signature(name: str, value: Any) -> str:
    """Return how a name is called, one parameter a line where that is long."""
    if inspect.isclass(value) and issubclass(value, Exception):
        return f"class {name}({', '.join(base.__name__ for base in value.__bases__)})"
    called = inspect.signature(value)
    parts = [spelled(parameter) for parameter in called.parameters.values()]
    kinds = [parameter.kind for parameter in called.parameters.values()]
    if inspect.Parameter.KEYWORD_ONLY in kinds:
        parts.insert(kinds.index(inspect.Parameter.KEYWORD_ONLY), "*")
    head, end = (f"class {name}", "") if inspect.isclass(value) else (name, f" -> {called.return_annotation}")
    short = f"{head}({', '.join(parts)}){end}"
    return short if len(short) <= 100 else "\n".join([f"{head}(", *(f"    {part}," for part in parts), f"){end}"])


def spelled(parameter: inspect.Parameter) -> str:
    """Return a parameter as it is written in the code."""
    stars = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
    default = "" if parameter.default is parameter.empty else f" = {parameter.default!r}"
    return f"{stars}{parameter.name}: {parameter.annotation}{default.replace('<factory>', '...')}"


def metrics_page() -> str:
    """Return the page of metrics: a table of the registry, then the formula and source of each."""
    lines = ["# Metrics", "", WRITTEN_BY, "", METRICS_INTRODUCTION, ""]
    lines += ["| Name | Needs | Better | Worst to best | Unit | Source | Mind |", "|---|---|---|---|---|---|---|"]
    for metric in METRICS.values():
        better = "higher" if metric.higher_is_better else "lower"
        span = " to ".join("∞" if abs(bound) == float("inf") else f"{bound:g}" for bound in metric.bounds)
        span = f"-{span}" if metric.bounds[0] == -float("inf") else span
        facts = (metric.name, metric.needs, better, span, metric.unit, metric.paper, warning(metric))
        lines.append(f"| {' | '.join(facts)} |")
    for metric in METRICS.values():
        called = signature(metric.function.__name__, metric.function)
        told = (inspect.getdoc(metric.function) or "").splitlines()
        lines += ["", f"## {metric.name}", "", "```text", called, "", *told, "```"]
    return "\n".join([*lines, ""])


METRICS_INTRODUCTION = (
    "What a metric needs: *truth*, the true all-in-focus image; *depth*, the true plane of each pixel; *sources*, the "
    "planes that were fused; *image*, the fused image alone."
)


def warning(metric: MetricInfo) -> str:
    """Return what a reader of the table has to know, or nothing."""
    told = {"rewards noise and halos: never alone": metric.rewards_noise, "pairs only": metric.pairs_only}
    return "; ".join(text for text, applies in told.items() if applies)


def command_page() -> str:
    """Return the page of the command line: what `--help` says of each command."""
    lines = ["# Command line", "", WRITTEN_BY, ""]
    lines += ["Exit status: 0 done; 1 the work failed, one sentence on the standard error says why; 2 wrong usage.", ""]
    for path in command_paths(typer.main.get_command(app), []):
        shown = CliRunner().invoke(app, [*path, "--help"], prog_name="swinfusion", terminal_width=100).output
        lines += [f"## {' '.join(['swinfusion', *path])}", "", "```text", shown.strip(), "```", ""]
    return "\n".join(lines)


def command_paths(command: Any, path: list[str]) -> Iterator[list[str]]:
    """Yield the words that lead to each command, groups before what they hold."""
    yield path
    for name, inner in sorted(getattr(command, "commands", {}).items()):
        yield from command_paths(inner, [*path, name])


def main() -> int:
    """Write or compare the pages; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the pages instead of comparing them")
    write = parser.parse_args().write
    behind = []
    for name, wanted in (("api.md", python_page()), ("metrics.md", metrics_page()), ("cli.md", command_page())):
        page = REFERENCE / name
        if write:
            page.write_text(wanted, encoding="utf-8")
        elif not page.exists() or page.read_text(encoding="utf-8") != wanted:
            behind.append(name)
    if behind:
        sys.stderr.write(f"{', '.join(behind)} of the reference are behind the code; run: make docs\n")
    return 1 if behind else 0


if __name__ == "__main__":
    sys.exit(main())
