"""The main job on a stack that needs no download: draw, fuse, write, say what came out, and show it."""

from __future__ import annotations

import importlib.util
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import typer
from numpy.typing import NDArray

from napari_swinfusion.focal_stack import FusedImage
from napari_swinfusion.io import write_fused, write_stack
from napari_swinfusion.io.contact_sheet import draw_contact_sheet
from napari_swinfusion.metrics.reference import psnr
from napari_swinfusion.pipeline import fuse
from napari_swinfusion.simulation import SimulatedStack, simulate

N_PLANES = 11
SIDE = 512  # px
PHOTONS = 2000.0
DRIFT = 0.05
SEED = 5
COMPARATORS = ("mean", "tenengrad", "laplacian-pyramid")


def demo(out: Path, *, show: bool = True) -> None:
    """Fuse a simulated organoid stack, write everything into the folder `out`, and tell it in five lines.

    Files of an earlier demo are written again. With `show`, napari opens with the result where there is a screen, and
    the demo ends when its window is closed.
    """
    drawn = simulate(
        preset="organoid-brightfield",
        n_planes=N_PLANES,
        height=SIDE,
        width=SIDE,
        photons=PHOTONS,
        seed=SEED,
        lamp_drift=DRIFT,
    )
    typer.echo(
        f"Drew a brightfield stack of organoids: {N_PLANES} planes of {SIDE} × {SIDE} px, 16 bit, "
        f"{PHOTONS:.0f} photons a pixel, {DRIFT:.0%} lamp drift."
    )
    fused = fuse(drawn.stack)
    facts = fused.provenance
    typer.echo(f"Fused it with the model {facts['model']['name']} on {facts['device']} in {facts['seconds']:.1f} s.")
    typer.echo(compare(drawn, fused))
    sheet = write_results(out, drawn, fused)
    typer.echo(f"Wrote stack, fused image, decision map, confidence and depth to {out}; see them all on {sheet}.")
    viewing = [sys.executable, "-m", "napari_swinfusion.viewer.open_result", str(out)]
    if show and has_screen():
        typer.echo("napari opens with the result; the demo ends when its window is closed.")
        subprocess.run(viewing, check=True)
    else:
        typer.echo(f"No window is opened. Where there is a screen, this shows it in napari: {shlex.join(viewing)}")


def compare(drawn: SimulatedStack, fused: FusedImage) -> str:
    """Return how near the fused image and the classical ones come to the scene that was drawn."""

    def quality(image: NDArray[Any]) -> float:
        return psnr(image, drawn.truth, data_range=drawn.white)

    classical = {name: quality(fuse(drawn.stack, model=name).image) for name in COMPARATORS}
    best = max(classical, key=classical.__getitem__)
    return (
        f"Against the noise-free scene it reaches {quality(fused.image):.1f} dB PSNR; "
        f"the best classical method, {best}, reaches {classical[best]:.1f} dB."
    )


def write_results(out: Path, drawn: SimulatedStack, fused: FusedImage) -> Path:
    """Write the stack, the results and the contact sheet into `out`; return the contact sheet's path."""
    out.mkdir(parents=True, exist_ok=True)
    write_stack(drawn.stack, out / "stack.ome.tif", overwrite=True)
    write_fused(
        fused,
        out / "fused.ome.tif",
        decision=out / "decision.ome.tif",
        confidence=out / "confidence.ome.tif",
        depth=out / "depth.ome.tif",
        overwrite=True,
        inputs=[out / "stack.ome.tif"],
    )
    sheet = out / "contact-sheet.png"
    title = f"A simulated focal stack of organoids, fused with the model {fused.provenance['model']['name']}"
    draw_contact_sheet(drawn.stack, fused, title=title).save(sheet)
    return sheet


def has_screen() -> bool:
    """Return whether a window can be opened here: napari is installed and there is a display."""
    if importlib.util.find_spec("napari") is None:
        return False
    return sys.platform in ("darwin", "win32") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
