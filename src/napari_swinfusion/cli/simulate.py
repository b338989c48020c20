"""`swinfusion simulate`: draw stacks whose sharp answer is known."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def simulate(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the stacks; made if absent.")],
    preset: Annotated[str, typer.Option(help="What to draw.")] = "organoid-brightfield",
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="Number of stacks.")] = 1,
    planes: Annotated[int, typer.Option(min=2, help="Focal planes a stack.")] = 11,
    size: Annotated[int, typer.Option(min=16, help="Height and width, px.")] = 256,
    photons: Annotated[float, typer.Option(min=1, help="Photons of a bright pixel: fewer is noisier.")] = 2000.0,
    seed: Annotated[int, typer.Option(help="Seed of the first stack; the others follow.")] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")] = False,
) -> None:
    """Draw focal stacks, each with its sharp truth and the depth of every pixel."""
    from napari_swinfusion.focal_stack import FocalStack
    from napari_swinfusion.io import write_stack
    from napari_swinfusion.simulation import simulate as draw

    out.mkdir(parents=True, exist_ok=True)
    for number in range(seed, seed + count):
        drawn = draw(preset=preset, n_planes=planes, height=size, width=size, photons=photons, seed=number)
        answers = {"truth": drawn.truth, "depth": drawn.depth}
        parts = {"stack": drawn.stack} | {
            role: FocalStack(data=image[None], axes="ZYX", name=f"{preset} {role}", metadata=drawn.stack.metadata)
            for role, image in answers.items()
        }
        for role, part in parts.items():
            written = write_stack(part, out / f"{preset}-{number:04d}-{role}.ome.tif", overwrite=overwrite)
            typer.echo(written)
