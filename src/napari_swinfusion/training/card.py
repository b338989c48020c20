"""The sidecar of a trained model: what it is, what it was made from and how it was judged, in Markdown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from napari_swinfusion.io import write_text
from napari_swinfusion.weights import sha256_of
from napari_swinfusion.weights.cards import card_path, hash_line


def write_card(model: Path, story: dict[str, Any]) -> Path:
    """Write the card of a model file from its story, with the hash of the file."""
    judgement, finetuning = story["judgement"], story["finetuning"]
    lines = [
        f"# {model.stem}",
        "",
        story["summary"] + ".",
        "",
        judgement["reason"],
        "",
        f"- file: `{model.name}`",
        hash_line(sha256_of(model)),
        f"- base: {_base(story)}",
        f"- network: {story['architecture']}, {story['parameters']} parameters",
        f"- recipe: {finetuning['recipe']}, with weights {_pairs(story['recipe_weights'])}",
        f"- grey levels: {story['normalisation']}",
        f"- trained for {story['steps']} steps in {story['seconds']:.0f} s; the weights are those after step "
        f"{story['kept_step']}",
        f"- made with napari-swinfusion {story['version']}",
        "",
        f"## On held-out images ({judgement['crops']} crops of {judgement['stacks']} stacks, {judgement['compared']})",
        "",
        "| Score | Before | After | Gain (95 % interval) |",
        "|---|---|---|---|",
    ]
    for name, gain in judgement["gain"].items():
        before, after = judgement["before"][name], judgement["after"][name]
        spread = f"{gain['mean']:+.2f} ({gain['lower']:+.2f} to {gain['upper']:+.2f}), {gain['units']} units"
        lines.append(f"| {name}, dB | {before:.2f} | {after:.2f} | {spread} |")
    lines += ["", f"The spread is over {judgement['unit']}s. {judgement['caveat']}", "", "## Data", ""]
    lines += ["| Stack | Part | Planes | Size, px | Reference | Painted |", "|---|---|---|---|---|---|"]
    for entry in story["data"]["entries"]:
        y0, y1, x0, x1 = entry["box"]
        lines.append(
            f"| {entry['name']} | {entry['role']} | {entry['planes']} | {x1 - x0} × {y1 - y0} | "
            f"{'yes' if entry['reference'] else 'no'} | {entry['painted']:.1%} |"
        )
    return write_text(card_path(model), "\n".join(lines) + "\n")


def _base(story: dict[str, Any]) -> str:
    base = story["base"]
    return f"{base['name']} (sha256 `{base['sha256']}`)" + ("" if base["started_from"] else ", compared with only")


def _pairs(values: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in values.items())
