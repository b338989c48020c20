"""`swinfusion evaluate`: compare models on stacks, in a table, a JSON file and a sheet of pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from napari_swinfusion.cli.console import cancel_on_interrupt, option, print_json, progress_bar

if TYPE_CHECKING:
    from napari_swinfusion.evaluation import Case, Evaluation
    from napari_swinfusion.focal_stack import FusedImage


Data = Annotated[
    list[Path],
    typer.Argument(metavar="DATA...", help="TIFF stacks, folders of planes, folders of stacks or of pairs (-A, -B)."),
]
Models = Annotated[
    list[str] | None,
    option("Name or weights file; repeat for several. Default: default, tenengrad and mean.", "--model", "-m"),
]
Metrics = Annotated[list[str] | None, option("Only this metric; repeat for several.", "--metric")]
Json = Annotated[Path | None, option("Write all scores as JSON.", "--json")]
Sheet = Annotated[Path | None, option("Draw the first stack fused by every model, a PNG.", "--sheet")]
Blend = Annotated[Literal["soft", "hard"], option("soft: weighted mean of the planes; hard: each pixel from one.")]
Device = Annotated[str, option("auto, cpu, cuda, cuda:1 or mps.")]
Overwrite = Annotated[bool, option("Replace existing files.", "--overwrite")]
Quiet = Annotated[bool, option("Print JSON of the summary in place of the table, and no progress.", "--quiet", "-q")]


def evaluate(
    data: Data,
    models: Models = None,
    metrics: Metrics = None,
    json_file: Json = None,
    sheet: Sheet = None,
    blend: Blend = "soft",
    device: Device = "auto",
    overwrite: Overwrite = False,
    quiet: Quiet = False,
) -> None:
    """Compare models on focal stacks; truth beside a stack (NAME.truth.ome.tif, as simulate writes it) is used."""
    from napari_swinfusion import evaluation
    from napari_swinfusion.io import check_outputs, write_text

    for path, suffix in ((json_file, ".json"), (sheet, ".png")):
        if path is not None:
            check_outputs([path], inputs=data, overwrite=overwrite, suffixes=[suffix])
    kept = _FirstStack()
    with cancel_on_interrupt() as cancel, progress_bar(shown=not quiet) as progress:
        found = evaluation.evaluate(
            models or ["default", "tenengrad", "mean"],
            data,
            metrics=metrics or None,
            blend=blend,
            device=device,
            on_result=kept if sheet else None,
            progress=progress,
            cancel=cancel,
        )
    if json_file is not None:
        write_text(json_file, json.dumps(found.as_json(), indent=1, ensure_ascii=False) + "\n")
    if sheet is not None:
        kept.draw(sheet)
    if quiet:
        print_json(found.as_json()["summary"])
    else:
        print_table(found)


class _FirstStack:
    """Keeps the fused images of the first stack, and draws them."""

    def __init__(self) -> None:
        self._case: Case | None = None
        self._results: dict[str, FusedImage] = {}

    def __call__(self, model: str, case: Case, result: FusedImage) -> None:
        self._case = self._case or case
        if case is self._case:
            self._results[model] = result

    def draw(self, path: Path) -> None:
        """Write the sheet as PNG, whole or not at all."""
        from napari_swinfusion.io.comparison_sheet import draw_comparison_sheet, save_sheet

        assert self._case is not None
        title = self._case.name.encode("ascii", "replace").decode()
        save_sheet(draw_comparison_sheet(self._results, title=title, truth=self._case.truth), path)


def print_table(found: Evaluation) -> None:
    """Print models by metrics: mean, standard deviation and, where it is not that of all stacks, n."""
    from rich.console import Console
    from rich.table import Table

    from napari_swinfusion.metrics import METRICS

    console = Console()
    summary, stacks = found.summary(), len(found.data_range)
    # Metrics down, models across: there are more metrics than models, and names stay whole.
    table = Table("metric", "better", *summary, box=None)
    for name in found.metrics:
        metric = METRICS[name]
        better = "(noise raises it)" if metric.rewards_noise else ("higher" if metric.higher_is_better else "lower")
        unit = f", {metric.unit}" if metric.unit else ""
        cells = [
            _cell(row[name].mean, row[name].sd, row[name].n, stacks) if name in row else "-" for row in summary.values()
        ]
        table.add_row(f"{name}{unit}", better, *cells)
    console.print(table)
    console.print(f"Mean ± standard deviation over {stacks} {'stack' if stacks == 1 else 'stacks'}.", highlight=False)


def _cell(mean: float, sd: float, n: int, stacks: int) -> str:
    digits = 2 if abs(mean) >= 10 else 4
    return f"{mean:.{digits}f} ± {sd:.{digits}f}" + ("" if n == stacks else f" (n = {n})")
