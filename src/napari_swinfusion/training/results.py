"""Where a fine-tuning leaves what it made: the model with its story and its card, or a rejected one with the reason."""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from napari_swinfusion import __version__
from napari_swinfusion.errors import InputError, OutputExistsError
from napari_swinfusion.networks import FusionNetwork
from napari_swinfusion.training.card import write_card
from napari_swinfusion.training.checkpoint import has_checkpoint
from napari_swinfusion.training.judging import Judgement
from napari_swinfusion.training.parts import Parts
from napari_swinfusion.weights import save_model, sha256_of
from napari_swinfusion.weights.cards import card_path
from napari_swinfusion.weights.catalogue import REJECTED, SUFFIX, list_shipped, user_folder

NORMALISATION = "grey planes of about [0, 1]: 0.1 and 99.9 percentile of the whole stack, lamp matched, as when fusing"


@dataclass(frozen=True, kw_only=True)
class Finetuned:
    """What came out of a fine-tuning.

    Attributes
    ----------
    accepted
        Whether the model is better than its base on held-out images; `reason` says why or why not.
    path
        The model, or where it was rejected the file it was put aside in.
    card
        Its sidecar in Markdown.
    why
        Why the training ended: "steps", "time", "no better" or "asked".
    """

    accepted: bool
    reason: str
    path: Path
    sha256: str
    card: Path
    why: str
    judgement: Judgement
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, as in the event `finished`."""
        gain = {name: [found.mean, found.lower, found.upper] for name, found in self.judgement.gain.items()}
        return {
            "why": self.why,
            "accepted": self.accepted,
            "reason": self.reason,
            "path": str(self.path),
            "sha256": self.sha256,
            "card": str(self.card),
            "before": self.judgement.before,
            "after": self.judgement.after,
            "gain": gain,
            "seconds": self.seconds,
        }


def model_path(out: str | Path) -> Path:
    """Return the file of the model to be: a bare name lies in the folder of own models.

    Raises
    ------
    InputError
        If the name is that of a shipped model, or the path has another ending.
    """
    path = Path(out)
    if path.suffix == "" and path.name == str(out):
        if path.name in list_shipped():
            raise InputError(f"'{path.name}' is a model that ships; give yours another name.")
        return user_folder() / f"{path.name}{SUFFIX}"
    if path.suffix != SUFFIX or path.name.endswith(REJECTED):
        raise InputError(f"A model file ends with {SUFFIX}, not as {path.name}; or give a bare name.")
    return path.absolute()


def run_folder(target: Path, *, resume: bool, overwrite: bool) -> Path:
    """Return the run folder of a model to be, `NAME.training` beside it, empty unless it is resumed.

    Raises
    ------
    OutputExistsError
        If the model or an unfinished run is there and neither `resume` nor `overwrite` says what to do.
    InputError
        If there is nothing to resume.
    """
    folder = target.with_name(f"{target.stem}.training")
    unfinished = has_checkpoint(folder)
    if resume:
        if not unfinished:
            raise InputError(f"There is no unfinished training in {folder}; start it without resume.")
        return folder
    if target.exists() and not overwrite:
        raise OutputExistsError(f"{target} exists already; choose another name, or overwrite it.")
    if unfinished and not overwrite:
        raise OutputExistsError(f"{folder} holds an unfinished training; resume it, or overwrite it.")
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    return folder


def keep(
    network: FusionNetwork, judgement: Judgement, parts: Parts, target: Path, folder: Path, *, why: str, **facts: Any
) -> Finetuned:
    """Write the model and its card: under its name where it is better, else as `NAME.rejected.safetensors`."""
    story = _story(network, judgement, parts, facts)
    path = target if judgement.accepted else target.with_name(f"{target.stem}{REJECTED}")
    path.parent.mkdir(parents=True, exist_ok=True)
    card_path(path).unlink(missing_ok=True)
    save_model(network, path, story)
    result = Finetuned(
        accepted=judgement.accepted,
        reason=judgement.reason,
        path=path,
        sha256=sha256_of(path),
        card=write_card(path, story),
        why=why,
        judgement=judgement,
        seconds=facts["seconds"],
    )
    for checkpoint in folder.glob("*checkpoint*"):
        checkpoint.unlink()
    return result


def _story(network: FusionNetwork, judgement: Judgement, parts: Parts, facts: dict[str, Any]) -> dict[str, Any]:
    report, config = parts.report, parts.config
    trained = [entry.name for entry in report.entries if entry.role == "training"]
    stacks = {crop.stack for crop in parts.judging}
    with_truth = "psnr" in judgement.after
    halves = any(region.ready is held.ready for region in report.training for held in report.held_out)
    return {
        "summary": f"{parts.base_name} fine-tuned on {', '.join(trained[:3])}{' …' if len(trained) > 3 else ''}",
        "version": __version__,
        "architecture": parts.architecture,
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "base": {
            "name": parts.base_name,
            "sha256": parts.base_sha256,
            "started_from": config.base is not None,
        },
        "finetuning": config.to_dict(),
        "recipe_weights": parts.recipe.weights,
        "normalisation": NORMALISATION,
        "data": report.to_dict(),
        "judgement": {
            **asdict(judgement),
            "crops": len(parts.judging),
            "stacks": len(stacks),
            "compared": "with their sharp references" if with_truth else "without a reference",
            "caveat": _caveat(len(stacks), halves=halves),
        },
        **facts,
    }


def _caveat(stacks: int, *, halves: bool) -> str:
    if halves:
        return "The other half of the same images was learned from: this says nothing about other specimens."
    if stacks < 4:
        return f"Only {stacks} held-out stack{'s' if stacks > 1 else ''}: other specimens may differ more."
    return "The held-out stacks were never learned from."
