"""`finetune`: from a lab's own stacks to a model of theirs, which is called better only if held-out images say so."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from napari_swinfusion.errors import CancelledError, InputError
from napari_swinfusion.progress import CancelToken
from napari_swinfusion.training.data.checks import DataReport, check_data
from napari_swinfusion.training.data.examples import Data
from napari_swinfusion.training.events import Control, EventLog, Report, Wish
from napari_swinfusion.training.judging import judge, scores_of
from napari_swinfusion.training.loop import Trainer, run
from napari_swinfusion.training.parts import Parts, build_parts, make_trainer
from napari_swinfusion.training.processes import join_crew
from napari_swinfusion.training.results import Finetuned, keep, model_path, run_folder
from napari_swinfusion.training.settings import FinetuneConfig
from napari_swinfusion.training.validation import BEST, Watcher
from napari_swinfusion.weights import read_model

_TELL_EVERY = 1.0  # Seconds between progress events.


def finetune(
    data: Data,
    *,
    out: str | Path,
    base: str | Path | None = "default",
    recipe: str = "microscopy",
    epochs: float | None = None,
    minutes: float | None = None,
    held_out: Data | None = None,
    settings: dict[str, Any] | None = None,
    resume: bool = False,
    overwrite: bool = False,
    report: Report | None = None,
    cancel: CancelToken | None = None,
) -> Finetuned | None:
    """Fine-tune a network on own stacks, and say whether it is better than its base on images it never learned from.

    Under `torchrun`, only the leading process returns the result; the others return None.

    Parameters
    ----------
    data
        A stack (as for `fuse`), a folder of stacks or of pairs, an `Example` with a sharp reference or a painted map,
        or a list of these.
    out
        The model to be: a bare name goes to the folder of own models and into `list_models`; or a `.safetensors` path.
    base
        Model to start from; None starts from nothing.
    recipe
        A name of `losses.RECIPES`; "supervised" needs references.
    epochs, minutes
        How long; 10 minutes without either.
    held_out
        Data to judge by; None holds out some of `data`, see `check_data`.
    settings
        Further settings by name, see `FinetuneConfig`; they win over the arguments.
    resume
        Go on with a run that was suspended or killed; its settings and data have to be the same.
    overwrite
        Replace a model, or start an unfinished run anew.
    report
        Told each event; see `training.events`, which also tells how to pause or stop the run by its folder.
    cancel
        Set from elsewhere, it suspends the run.

    Raises
    ------
    InputError
        If the data cannot be trained on; the message lists what and which files.
    ModelError
        If there is no such base, or it is damaged.
    OutputExistsError
        If the model or an unfinished run is there already.
    TrainingError
        If the loss is not finite; the last good weights stay in the run folder.
    CancelledError
        If it was suspended; `resume` goes on.
    """
    chosen = {"base": None if base is None else str(base), "recipe": recipe, "epochs": epochs, "minutes": minutes}
    config = FinetuneConfig.from_dict(chosen | (settings or {}))
    target = model_path(out)
    folder = run_folder(target, resume=resume, overwrite=overwrite)
    control = Control(folder)
    control.clear()
    return run_finetuning(
        check(data, config, held_out),
        config,
        target,
        folder,
        report=report,
        wish=lambda: "suspend" if cancel is not None and cancel.cancelled else control.wish(),
    )


def check(data: Data, config: FinetuneConfig, held_out: Data | None = None) -> DataReport:
    """Return what a fine-tuning of these settings would use, and what stands against it."""
    from napari_swinfusion.losses.recipes import get_recipe

    return check_data(
        data,
        held_out=held_out,
        hold_out=config.hold_out,
        needs_truth=get_recipe(config.recipe).needs_truth,
        register=config.register,
        seed=config.seed,
    )


def run_finetuning(
    report_on_data: DataReport,
    config: FinetuneConfig,
    target: Path,
    folder: Path,
    *,
    report: Report | None = None,
    wish: Callable[[], Wish] = lambda: "resume",
    clock: Callable[[], float] = time.monotonic,
) -> Finetuned | None:
    """Do the whole of a fine-tuning, new or resumed, in `folder`; see `finetune`.

    `clock` is what `minutes` are measured by, in seconds.
    """
    if report_on_data.problems:
        raise InputError(_listed(report_on_data))
    crew = join_crew()
    folder.mkdir(parents=True, exist_ok=True)
    parts = build_parts(report_on_data, config, crew)
    trainer = make_trainer(parts, config, EventLog(folder, report), folder, clock=clock)
    with torch.random.fork_rng():
        return _Run(parts, trainer, target, folder, clock).go(wish)


def _listed(report: DataReport) -> str:
    lines = (
        f"{wrong.text} (files: {', '.join(map(str, wrong.files))})" if wrong.files else wrong.text
        for wrong in report.problems
    )
    return "These data cannot be trained on: " + " ".join(lines)


class _Run:
    """One process's run: tells progress, validates each epoch, ends in time, and judges."""

    def __init__(self, parts: Parts, trainer: Trainer, target: Path, folder: Path, clock: Callable[[], float]) -> None:
        self._parts, self._trainer, self._target, self._folder, self._clock = parts, trainer, target, folder, clock
        self._started, self._first_step = clock(), trainer.standing.step
        self._spent_before = float(trainer.standing.notes.get("spent", 0.0))
        self._told = 0.0
        self._ending: str | None = None
        self._watcher: Watcher | None = None

    def go(self, wish: Callable[[], Wish]) -> Finetuned | None:
        trainer, parts = self._trainer, self._parts
        self._tell_start()
        if trainer.crew.leads:
            self._watcher = Watcher(trainer, parts.watching, parts.report.held_out, parts.recipe, self._folder)
            self._watcher.look_at_base(parts.base)
        wished = run(
            trainer,
            self._folder,
            until=trainer.config.steps,
            wish=lambda: self._wish(wish),
            after_step=self._after_step,
        )
        if wished == "suspend":
            trainer.tell("suspended", step=trainer.standing.step)
            raise CancelledError(f"The training was suspended at step {trainer.standing.step}; resume goes on with it.")
        why = self._ending or ("asked" if wished == "stop" else "steps")
        return self._finish(why) if trainer.crew.leads else None

    def _wish(self, wish: Callable[[], Wish]) -> Wish:
        if self._ending is not None:
            return "stop"
        return wish()

    def _after_step(self) -> None:
        trainer, parts = self._trainer, self._parts
        if not trainer.crew.leads:
            return
        standing = trainer.standing
        now = self._clock()
        standing.notes["spent"] = self._spent_before + now - self._started
        if time.monotonic() - self._told > _TELL_EVERY or standing.step == trainer.config.steps:
            self._told = time.monotonic()
            self._tell_progress()
        if standing.step % parts.steps_per_epoch == 0 or standing.step == trainer.config.steps:
            assert self._watcher is not None
            waited = self._watcher.look(standing.step / parts.steps_per_epoch)
            if waited >= parts.config.patience:
                self._ending = "no better"
        if parts.config.minutes is not None and standing.notes["spent"] > 60 * parts.config.minutes:
            self._ending = "time"

    def _tell_start(self) -> None:
        trainer, parts = self._trainer, self._parts
        trainer.tell(
            "started",
            pid=os.getpid(),
            run=str(self._folder),
            out=str(self._target),
            step=trainer.standing.step,
            steps=trainer.config.steps,
            steps_per_epoch=parts.steps_per_epoch,
            network=parts.architecture,
            parameters=sum(parameter.numel() for parameter in trainer.network.parameters()),
            base=parts.base_name,
            recipe=parts.config.recipe,
            device=str(trainer.device),
            processes=trainer.crew.size,
            training=[region.name for region in parts.report.training],
            held_out=[region.name for region in parts.report.held_out],
            notices=[*parts.report.notices, *parts.notices],
        )

    def _tell_progress(self) -> None:
        trainer, parts = self._trainer, self._parts
        standing = trainer.standing
        each = (self._clock() - self._started) / (standing.step - self._first_step)
        left = each * (trainer.config.steps - standing.step)
        if parts.config.minutes is not None:
            left = min(left, max(60 * parts.config.minutes - standing.notes["spent"], 0.0))
        means = trainer.means()
        del means["loss"]  # Of both kinds: as many of each as chance had it.
        trainer.tell(
            "progress",
            step=standing.step,
            steps=trainer.config.steps,
            epoch=round(standing.step / parts.steps_per_epoch, 3),
            loss=means.pop("own", None),
            simulated=means.pop("simulated", None),
            terms=means,
            rate=trainer.rate,
            seconds_per_step=round(each, 4),
            seconds_left=round(left, 1),
        )

    def _finish(self, why: str) -> Finetuned:
        trainer, parts, notes = self._trainer, self._parts, self._trainer.standing.notes
        trainer.tell("judging", step=trainer.standing.step)
        best = self._folder / BEST
        if notes.get("best_step") and best.exists():
            kept, kept_step = read_model(best), notes["best_step"]
        else:
            trainer.averaged()
            kept, kept_step = trainer.network, trainer.standing.step
        kept.to(trainer.device).eval()
        before, after = scores_of(parts.base, parts.judging), scores_of(kept, parts.judging)
        judgement = judge(before, after, parts.judging)
        result = keep(
            kept, judgement, parts, self._target, self._folder,
            steps=trainer.standing.step, kept_step=kept_step, seconds=round(notes["spent"], 1), why=why,
            training=asdict(trainer.config), curve=notes["curve"],
        )  # fmt: skip
        trainer.tell("finished", step=trainer.standing.step, **result.to_dict())
        return result
