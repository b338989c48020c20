"""`swinfusion models`: what can be chosen with `--model`, and the facts about one."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from napari_swinfusion.cli.console import print_json

models = typer.Typer(name="models", help="List models, or tell the facts about one.", no_args_is_help=True)


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
