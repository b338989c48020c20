"""Pictures of real stacks fused by every method, to be looked at: numbers do not see halos and blotches."""

from __future__ import annotations

from pathlib import Path

from benchmarks.methods import Contest
from benchmarks.real import STACKS
from napari_swinfusion.io.comparison_sheet import draw_comparison_sheet, save_sheet

# Corners (y, x) of the close-ups: depth steps beside flat background.
CORNERS = {
    "zstack_organoid_bf_A01": (420, 560),
    "zstack_flyeye_reflected": (300, 500),
    "zstack_leaf_reflected": (80, 160),
    "zstack_microtubules_fluor": (100, 240),
}


def draw_sheets(contest: Contest, images: Path, out: Path) -> list[Path]:
    """Write one PNG a stack into `out`."""
    out.mkdir(parents=True, exist_ok=True)
    written = []
    for name, read in STACKS.items():
        stack = read(images / name)
        sheet = draw_comparison_sheet(contest.fuse(stack, hard=True), corner=CORNERS[name], title=name)
        written.append(save_sheet(sheet, out / f"{name}.png"))
    return written
