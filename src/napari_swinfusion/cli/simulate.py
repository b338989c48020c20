"""`swinfusion simulate`: draw stacks whose sharp answer is known."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_swinfusion.cli.console import option

if TYPE_CHECKING:
    from napari_swinfusion.focal_stack import FocalStack
    from napari_swinfusion.simulation import SimulatedStack

# What of the microscope a user may fix; the rest is drawn as the specimen is usually seen.
_MICROSCOPE = ("numerical_aperture", "refractive_index", "magnification", "camera_pixel", "wavelength", "z_step")


def simulate(
    out: Annotated[Path, option("Folder for the stacks; made if absent.", "--out", "-o")],
    preset: Annotated[str, option("What to draw.")] = "organoid-brightfield",
    count: Annotated[int, option("Number of stacks.", "--count", "-n", min=1)] = 1,
    planes: Annotated[int, option("Focal planes a stack.", min=2)] = 11,
    size: Annotated[int, option("Height and width, px.", min=16)] = 256,
    photons: Annotated[float, option("Photons of a bright pixel: fewer is noisier; 0 is no noise.", min=0)] = 2000.0,
    bits: Annotated[int, option("8 or 16.")] = 16,
    seed: Annotated[int, option("Seed of the first stack; the others follow.")] = 0,
    strands: Annotated[int, option("Fibres before the specimen that move between planes.", min=0)] = 0,
    strand_drift: Annotated[float, option("How far they move from plane to plane, px.", min=0)] = 2.0,
    textures: Annotated[Path | None, option("Folder of sharp images of your own to cut the textures from.")] = None,
    numerical_aperture: Annotated[float | None, option("Of the objective; drawn if not given.", "--na")] = None,
    refractive_index: Annotated[float | None, option("Of the medium before the objective.")] = None,
    magnification: Annotated[float | None, option("Of the objective.")] = None,
    camera_pixel: Annotated[float | None, option("Of the camera, µm.")] = None,
    wavelength: Annotated[float | None, option("Of the light, µm.")] = None,
    z_step: Annotated[float | None, option("Between planes, µm.")] = None,
    overwrite: Annotated[bool, option("Replace existing files.", "--overwrite")] = False,
) -> None:
    """Draw focal stacks, each with its sharp image, its heights and a JSON file of how it was taken."""
    from napari_swinfusion.simulation import Microscope
    from napari_swinfusion.simulation import simulate as draw

    given = locals()
    fixed = {name: given[name] for name in _MICROSCOPE if given[name] is not None}
    options: dict[str, Any] = {"preset": preset, "n_planes": planes, "height": size, "width": size, "bits": bits}
    options |= {"strands": strands, "strand_drift": strand_drift}
    if textures is not None:
        from napari_swinfusion.training.textures import folder_textures

        options["textures"] = [texture.numpy() for texture in folder_textures(textures).values()]
    out.mkdir(parents=True, exist_ok=True)
    for number in range(seed, seed + count):
        options |= {"photons": photons or None, "seed": number}
        drawn = draw(**options)
        if fixed:
            drawn = draw(**options, microscope=Microscope(**{**asdict(drawn.microscope), **fixed}))
        for path in write_simulated(drawn, out, f"{preset}-{number:04d}", overwrite=overwrite):
            typer.echo(path)


def write_simulated(drawn: SimulatedStack, folder: Path, name: str, *, overwrite: bool = False) -> list[Path]:
    """Write a simulated stack and its answers into `folder`, and return the files.

    `NAME.ome.tif` is what the microscope saved; `NAME.truth.ome.tif` the noise-free all-in-focus image, grey levels;
    `NAME.height.ome.tif` the height of what is seen above the first plane, µm; `NAME.nearest.ome.tif` the nearest
    plane, -1 where none is in focus; `NAME.json` says how all was made.
    """
    from napari_swinfusion.io import check_outputs, write_stack, write_text

    parts = {"": drawn.stack, ".truth": _as_stack(drawn, drawn.truth), ".height": _as_stack(drawn, drawn.height)}
    nearest = drawn.nearest.copy()
    nearest[drawn.unfocused] = -1
    parts[".nearest"] = _as_stack(drawn, nearest)
    files = {role: folder / f"{name}{role}.ome.tif" for role in parts}
    story = folder / f"{name}.json"
    check_outputs([*files.values()], overwrite=overwrite)
    for role, part in parts.items():
        write_stack(part, files[role], overwrite=overwrite)
    facts = {
        "files": {role.strip(".") or "stack": path.name for role, path in files.items()},
        "planes": drawn.stack.n_planes,
        "white": drawn.white,
        "lamp": drawn.lamp,
        "shifts": drawn.shifts.tolist(),
        "strands": drawn.strands,
        "strand_drift": drawn.strand_drift,
        "microscope": asdict(drawn.microscope),
        "camera": asdict(drawn.camera),
        "acquisition": asdict(drawn.acquisition),
    }
    write_text(story, json.dumps(facts, indent=1) + "\n")
    return [*files.values(), story]


def _as_stack(drawn: SimulatedStack, image: Any) -> FocalStack:
    return replace(drawn.stack, data=image[None])
