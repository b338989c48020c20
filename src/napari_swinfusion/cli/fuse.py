"""`swinfusion fuse`: read a stack, fuse it, write the results."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from napari_swinfusion.cli.console import cancel_on_interrupt, option, print_json, print_notices, progress_bar

if TYPE_CHECKING:
    from napari_swinfusion.focal_stack import FocalStack, FusedImage


Inputs = Annotated[
    list[Path],
    typer.Argument(metavar="IN...", help="A TIFF stack, a folder of planes, or the files of the planes in order."),
]
Out = Annotated[Path, option("Fused image, an OME-TIFF to be.", "--out", "-o")]
Decision = Annotated[Path | None, option("Write the decision map: the plane each pixel is from.")]
Confidence = Annotated[Path | None, option("Write the confidence map, 0 to 1.")]
Depth = Annotated[Path | None, option("Write the depth map: planes from 0, and fractions of them.")]
Axes = Annotated[str | None, option("Axes where the file does not say, for example ZYX or CZYX.")]
Model = Annotated[str, option("A name of `swinfusion models list`, or a weights file.")]
Device = Annotated[str, option("auto, cpu, cuda, cuda:1 or mps.")]
Register = Annotated[Literal["off", "translation"], option("Shift planes that drifted sideways back into place.")]
MatchIllumination = Annotated[bool, option("Match lamp drift and bleaching between planes.")]
Blend = Annotated[Literal["soft", "hard"], option("soft: weighted mean of the planes; hard: each pixel from one.")]
Prefer = Annotated[Literal["top", "bottom"] | None, option("Where two planes are sharp: the first or the last.")]
DecideOn = Annotated[str | None, option("Channel (number or name) that decides for all, or each.")]
Tile = Annotated[int | None, option("Side of a tile in px; smaller needs less memory.", min=1)]
Threads = Annotated[int | None, option("CPU threads of a network.", min=1)]
AllowMissing = Annotated[bool, option("Use the whole planes of a file that is cut off.", "--allow-missing")]
Overwrite = Annotated[bool, option("Replace existing results; never an input.", "--overwrite")]
AsJson = Annotated[bool, option("Print a JSON summary on stdout.", "--json")]
Quiet = Annotated[bool, option("No progress, notes or summary.", "--quiet", "-q")]


def fuse(
    inputs: Inputs,
    out: Out,
    decision: Decision = None,
    confidence: Confidence = None,
    depth: Depth = None,
    axes: Axes = None,
    model: Model = "default",
    device: Device = "auto",
    register: Register = "off",
    match_illumination: MatchIllumination = True,
    blend: Blend = "soft",
    prefer: Prefer = None,
    decide_on: DecideOn = None,
    tile: Tile = None,
    threads: Threads = None,
    allow_missing: AllowMissing = False,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Fuse a focal stack into one all-in-focus image."""
    from napari_swinfusion import pipeline
    from napari_swinfusion.io import check_outputs, write_fused

    # Before any work: an hour's fusion must not end at a name that is taken.
    check_outputs([path for path in (out, decision, confidence, depth) if path], inputs=inputs, overwrite=overwrite)
    if threads is not None:
        import torch

        torch.set_num_threads(threads)
    stack = read(inputs, axes=axes, allow_missing=allow_missing)
    with cancel_on_interrupt() as cancel, progress_bar(shown=not quiet) as progress:
        result = pipeline.fuse(
            stack,
            model=model,
            device=device,
            register=register,
            match_illumination=match_illumination,
            blend=blend,
            prefer=prefer,
            decide_on=int(decide_on) if decide_on and decide_on.isdecimal() else decide_on,
            tile=tile,
            progress=progress,
            cancel=cancel,
        )
        cancel.check()
    written = write_fused(
        result, out, decision=decision, confidence=confidence, depth=depth, overwrite=overwrite, inputs=inputs
    )
    if not quiet:
        print_notices(result.notices)
    if as_json:
        print_json(summary(stack, result, written))
    elif not quiet:
        typer.echo(sentence(stack, result, written))


def read(inputs: list[Path], *, axes: str | None, allow_missing: bool) -> FocalStack:
    """Read one file or folder, or several files as planes.

    A shell's `*.tif` sorts by letters, z10 before z2: files in exactly that order are counted instead.
    """
    from napari_swinfusion.io import natural_key, read_stack

    if len(inputs) == 1:
        return read_stack(inputs[0], axes=axes, allow_missing=allow_missing)
    counted = sorted(inputs, key=natural_key)
    if inputs != sorted(inputs) or inputs == counted:
        return read_stack(inputs, axes=axes)
    stack = read_stack(counted, axes=axes)
    notice = f"The planes were put in the order of their numbers: {counted[0].name} … {counted[-1].name}."
    return replace(stack, notices=(*stack.notices, notice))


def summary(stack: FocalStack, result: FusedImage, written: list[Path]) -> dict[str, Any]:
    """Return the JSON-able account of a run."""
    return {
        "outputs": [str(path) for path in written],
        "input": {"name": stack.name, "source": stack.source, "axes": stack.axes, "shape": list(stack.data.shape)},
        "dtype": str(result.image.dtype),
        "axes": result.axes,
        "mean_confidence": round(float(result.confidence.mean()), 4),
        "notices": list(result.notices),
        "provenance": result.provenance,
    }


def sentence(stack: FocalStack, result: FusedImage, written: list[Path]) -> str:
    """Return the run in one line."""
    facts = result.provenance
    names = ", ".join(path.name for path in written)
    return (
        f"Fused {stack.n_planes} planes of {stack.width} × {stack.height} px with {facts['model']['name']} "
        f"on {facts['device']} in {facts['seconds']:.1f} s: {names}"
    )
