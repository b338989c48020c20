"""`swinfusion models`: what can be chosen with `--model`, the facts about one, foreign ones made ours, and export."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from napari_swinfusion.cli.console import print_json

models = typer.Typer(
    name="models", help="List models, tell the facts about one, import or export one.", no_args_is_help=True
)


@models.command("list")
def list_(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List the networks that ship, then the classical methods."""
    from napari_swinfusion.decide.registry import list_models

    infos = list_models()
    if as_json:
        print_json([asdict(info) for info in infos])
        return
    width = max(len(info.name) for info in infos)
    for info in infos:
        typer.echo(f"{info.name:{width}}  {info.summary}")


@models.command()
def info(
    model: Annotated[str, typer.Argument(metavar="M", help="A name of `models list`, or a weights file.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Tell the facts about one model."""
    facts = facts_of(model)
    if as_json:
        print_json(facts)
        return
    width = max(map(len, facts))
    for name, value in facts.items():
        typer.echo(f"{name:{width}}  {value}")


@models.command("import")
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A published SwinFusion or Restormer checkpoint.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="OUT", help="The model file to write (.safetensors).")],
    sha256: Annotated[str | None, typer.Option(help="What the checkpoint's SHA-256 must be.")] = None,
    overwrite: Annotated[bool, typer.Option(help="Replace the output.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Make a published checkpoint a model of this program, and report what was used."""
    from napari_swinfusion.io import check_outputs
    from napari_swinfusion.weights import save_model
    from napari_swinfusion.weights.importers import import_checkpoint

    check_outputs([out], inputs=[file], overwrite=overwrite, suffixes=[".safetensors"])
    network, report = import_checkpoint(file, sha256=sha256)
    story = {"summary": f"imported from {file.name}", "imported": asdict(report)}
    save_model(network, out, story)
    if as_json:
        print_json(asdict(report) | {"out": str(out)})
        return
    typer.echo(f"{report.architecture} with {report.parameters:,} parameters → {out}")
    for name, value in report.config.items():
        typer.echo(f"  {name}: {value}")
    for reason in sorted(set(report.dropped.values())):
        names = [name for name, why in report.dropped.items() if why == reason]
        typer.echo(f"Left out, {reason}: {names[0]}" + (f" and {len(names) - 1} more" if len(names) > 1 else ""))
    for assumption in report.assumed:
        typer.echo(f"Taken for granted: {assumption}")


@models.command()
def export(
    model: Annotated[str, typer.Argument(metavar="M", help="A network of `models list`, or a weights file.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="FILE.safetensors, a copy, or FILE.zip for bioimage.io.")],
    author: Annotated[list[str] | None, typer.Option(help="Name for the package; may be repeated.")] = None,
    license_: Annotated[str | None, typer.Option("--license", help="SPDX identifier, such as CC-BY-4.0.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file.")] = False,
) -> None:
    """Hand a model on, as a copy of its file or as a package of the BioImage Model Zoo."""
    from napari_swinfusion.weights.export import export_model

    typer.echo(export_model(model, out, authors=author or (), license=license_, overwrite=overwrite))


def facts_of(model: str) -> dict[str, Any]:
    """Return what is known about a model; of a network also its size, configuration and reach.

    Raises
    ------
    ModelError
        If there is no such model, or its file is damaged.
    """
    from napari_swinfusion.decide.registry import make_decider

    decider = make_decider(model, device="cpu")
    facts = asdict(decider.info)
    if facts["sha256"] is None:
        return facts
    from napari_swinfusion.weights import load_model

    network = load_model(model)
    facts["parameters"] = sum(weights.numel() for weights in network.parameters())
    return facts | asdict(network.info) | {"configuration": network.config.to_dict()}


@models.command()
def profile(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="A network that ships, a weights file, an architecture or a preset.")
    ],
    size: Annotated[int, typer.Option(help="Side of the planes, px.")] = 256,
    planes: Annotated[int, typer.Option(help="Number of planes.")] = 2,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")] = "auto",
    repeats: Annotated[int, typer.Option(help="Timed runs after the warm-up.")] = 7,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure what one network costs: parameters, arithmetic, memory and time."""
    from napari_swinfusion.decide.profile import network_by_name
    from napari_swinfusion.decide.profile import profile as measure

    cost = measure(network_by_name(name), planes=planes, size=size, device=device, repeats=repeats)
    if as_json:
        print_json(asdict(cost))
        return
    rows = {
        "stack": f"{cost.planes} × {cost.height} × {cost.width} on {cost.device}",
        "parameters": f"{cost.parameters:,}",
        "arithmetic": f"{cost.flops / 1e9:.2f} GFLOP",
        "peak memory": f"{cost.peak_memory / 2**20:.0f} MiB",
        "time": f"{cost.seconds * 1000:.1f} ms (quartiles {cost.seconds_spread * 1000:.1f} ms apart)",
        "speed": f"{cost.megapixels_per_second:.2f} megapixels a second",
    }
    for key, value in rows.items():
        typer.echo(f"{key:12}{value}")
