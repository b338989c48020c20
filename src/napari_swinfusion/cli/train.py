"""`swinfusion train`: fine-tune a network on own stacks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from napari_swinfusion.cli.console import cancel_on_interrupt, option, print_json, print_notices, progress_bar

if TYPE_CHECKING:
    from napari_swinfusion.training.results import Finetuned

NOT_BETTER = 1


Data = Annotated[
    list[Path],
    typer.Argument(metavar="DATA...", help="Stacks (TIFF, folders of planes), or folders of stacks or of pairs."),
]
Out = Annotated[str, option("The model to be: a name for `models list`, or a .safetensors file.", "--out", "-o")]
Base = Annotated[str, option("Model to start from: a name of `models list`, a file, or `none`.")]
Recipe = Annotated[str, option("Recipe of losses; `supervised` needs sharp references.")]
Epochs = Annotated[float | None, option("How often to look at everything.")]
Minutes = Annotated[float | None, option("How long; 10 without --epochs.")]
HeldOut = Annotated[list[Path] | None, option("Data to judge by, where none of DATA should be held out.")]
HoldOut = Annotated[Literal["auto", "stacks", "half"], option("Hold out whole stacks, or half of each image.")]
Device = Annotated[str, option("auto, cpu, cuda, cuda:1 or mps.")]
Seed = Annotated[int, option("Seed of crops and of what is held out.")]
Settings = Annotated[str, option("Further settings, JSON: size, learning_rate, simulated_share, frozen …")]
Resume = Annotated[bool, option("Go on with a run that was suspended or killed.", "--resume")]
DryRun = Annotated[bool, option("Say what would happen, how long and how much memory; write nothing.", "--dry-run")]
Overwrite = Annotated[bool, option("Replace a model, or start an unfinished run anew.", "--overwrite")]
TensorBoard = Annotated[Path | None, option("Write TensorBoard scalars here too.", "--tensorboard")]
Threads = Annotated[int | None, option("CPU threads.", min=1)]
AsJson = Annotated[bool, option("Print a JSON summary on stdout.", "--json")]
Quiet = Annotated[bool, option("No progress, notes or summary.", "--quiet", "-q")]


def train(
    data: Data,
    out: Out,
    base: Base = "default",
    recipe: Recipe = "microscopy",
    epochs: Epochs = None,
    minutes: Minutes = None,
    held_out: HeldOut = None,
    hold_out: HoldOut = "auto",
    device: Device = "auto",
    seed: Seed = 0,
    settings: Settings = "{}",
    resume: Resume = False,
    dry_run: DryRun = False,
    overwrite: Overwrite = False,
    tensorboard: TensorBoard = None,
    threads: Threads = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Fine-tune a network on own stacks; a model that is not better than its base is put aside.

    Ctrl-C suspends the run, `--resume` goes on with it. Exit status 1 if the model is not better.
    """
    from napari_swinfusion.training.settings import read_settings

    if threads is not None:
        import torch

        torch.set_num_threads(threads)
    chosen = {"hold_out": hold_out, "device": device, "seed": seed, **read_settings(settings)}
    start = None if base == "none" else base
    if dry_run:
        given = {"base": start, "recipe": recipe, "epochs": epochs, "minutes": minutes}
        _tell_plan(data, held_out, given | chosen, as_json)
        return
    from napari_swinfusion.memory import keep_freed_memory
    from napari_swinfusion.training.finetuning import finetune

    keep_freed_memory()
    with cancel_on_interrupt() as cancel, progress_bar(shown=not quiet) as bar:
        result = finetune(
            data,
            out=out,
            base=start,
            recipe=recipe,
            epochs=epochs,
            minutes=minutes,
            held_out=held_out,
            settings=chosen,
            resume=resume,
            overwrite=overwrite,
            report=_listener(bar, tensorboard, quiet=quiet),
            cancel=cancel,
        )
    if result is None:  # Another process leads.
        return
    _tell_result(result, as_json=as_json, quiet=quiet)
    if not result.accepted:
        raise typer.Exit(NOT_BETTER)


def _tell_plan(data: list[Path], held_out: list[Path] | None, settings: dict[str, Any], as_json: bool) -> None:
    from napari_swinfusion.training.planning import plan
    from napari_swinfusion.training.settings import FinetuneConfig

    found = plan(data, FinetuneConfig.from_dict(settings), held_out)
    if as_json:
        print_json(found.to_dict())
    else:
        typer.echo(found.text())
    if found.data.problems:
        raise typer.Exit(1)


def _listener(bar: Callable[[Any], None], tensorboard: Path | None, *, quiet: bool) -> Callable[[dict[str, Any]], None]:
    from napari_swinfusion.progress import Progress

    stage = "train"
    curves = None
    if tensorboard is not None:
        from napari_swinfusion.training.tensorboard import tensorboard_report

        curves = tensorboard_report(tensorboard)

    def tell(event: dict[str, Any]) -> None:
        nonlocal stage
        if event["event"] == "progress":
            if event["loss"] is not None:
                stage = f"train, loss {event['loss']:.4f}"
            bar(Progress(stage=stage, done=event["step"], total=event["steps"], seconds_left=event["seconds_left"]))
        elif event["event"] == "judging":
            bar(Progress(stage="judge by held-out images", done=0, total=1))
        elif event["event"] == "started" and not quiet:
            print_notices(event["notices"])
        elif event["event"] == "notice" and not quiet:
            print_notices([event["text"]])
        if curves is not None:
            curves(event)

    return tell


def _tell_result(result: Finetuned, *, as_json: bool, quiet: bool) -> None:
    if as_json:
        print_json(result.to_dict())
    elif not quiet and result.accepted:
        typer.echo(f"{result.reason} Trained for {result.seconds:.0f} s: {result.path}")
    if not result.accepted and not quiet:
        typer.echo(f"{result.reason} The model is put aside: {result.path}", err=True)
