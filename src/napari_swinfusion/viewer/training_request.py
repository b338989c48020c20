"""What the user asked of a training plus what the layers are, in one frozen request; no Qt, no napari."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from napari_swinfusion.errors import InputError, SwinFusionError
from napari_swinfusion.losses.recipes import get_recipe
from napari_swinfusion.training.data.examples import Example, attach, find_examples
from napari_swinfusion.training.jobs import write_job
from napari_swinfusion.training.results import model_path, run_folder
from napari_swinfusion.training.settings import FinetuneConfig
from napari_swinfusion.viewer.request import FuseRequest, LayerView, Options, resolve
from napari_swinfusion.viewer.training_process import SUFFIX, look


@dataclass(frozen=True, kw_only=True)
class StackChoice:
    """One stack to learn from, with its sharp reference and its painted decision map where there are any."""

    stack: LayerView
    reference: LayerView | None = None
    painted: LayerView | None = None


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """The user's choices, by the names of `napari_swinfusion.training.FinetuneConfig`; `amount` counts in `unit`."""

    name: str
    base: str | None = "default"
    recipe: str = "microscopy"
    amount: float = 10.0
    unit: Literal["minutes", "epochs"] = "minutes"
    hold_out: Literal["auto", "stacks", "half"] = "auto"
    register: Literal["off", "translation"] = "off"
    device: str = "auto"
    size: int | None = None
    simulated_share: float = FinetuneConfig.simulated_share
    learning_rate: float | None = None

    def config(self) -> FinetuneConfig:
        """Return the settings of the training."""
        settings = asdict(self)
        del settings["name"]
        settings[settings.pop("unit")] = settings.pop("amount")
        return FinetuneConfig.from_dict(settings)


@dataclass(frozen=True, kw_only=True)
class TrainingRequest:
    """One training, fully decided: layers or a folder, and where the model goes."""

    stacks: tuple[StackChoice, ...] = ()
    sources: tuple[FuseRequest, ...] = ()
    folder: Path | None = None
    config: FinetuneConfig
    target: Path

    @property
    def run_folder(self) -> Path:
        """Where the training keeps its files."""
        return self.target.with_name(f"{self.target.stem}{SUFFIX}")

    def summary(self) -> str:
        """Return what will be learned from in one line for the dock."""
        if self.folder is not None:
            return f"Folder {self.folder.name}: press Check data to see what is in it"
        planes = sum(source.shape[source.axes.index("Z")] for source in self.sources)
        parts = [f"{len(self.stacks)} stack{'s' if len(self.stacks) > 1 else ''}", f"{planes} planes"]
        for word, given in (
            ("with reference", sum(choice.reference is not None for choice in self.stacks)),
            ("painted", sum(choice.painted is not None for choice in self.stacks)),
        ):
            parts += [f"{given} {word}"] if given else []
        return " · ".join(parts)

    def examples(self) -> list[Example]:
        """Return what to learn from; reads pixels, so call it away from the window.

        Raises
        ------
        InputError
            If a folder holds something that cannot be used; the message lists it.
        """
        if self.folder is not None:
            examples, problems = find_examples(self.folder)
            if problems:
                raise InputError(" ".join(problem.text for problem in problems))
            return examples
        return [_example(choice, source) for choice, source in zip(self.stacks, self.sources, strict=True)]

    def write(self) -> Path:
        """Write the run folder for the training's process, and return it; reads pixels, as `examples`.

        Raises
        ------
        OutputExistsError
            If the model or an unfinished training of that name has come to be meanwhile.
        """
        folder = run_folder(self.target, resume=False, overwrite=False)
        return write_job(folder, self.examples(), self.config, self.target)


def resolve_training(
    stacks: Sequence[StackChoice], options: TrainingOptions, *, folder: str | None = None
) -> TrainingRequest:
    """Return the request for layers, or for a folder where one is given, or say why there is none.

    Raises
    ------
    InputError
        With the reason in one sentence, for the user.
    """
    sources: tuple[FuseRequest, ...] = ()
    if folder is None:
        if not stacks:
            raise InputError("Tick at least one z-stack; File > Open Sample > SwinFusion has one.")
        sources = tuple(resolve([choice.stack], Options()) for choice in stacks)
        for choice in stacks:
            _check_choice(choice, needs_truth=get_recipe(options.recipe).needs_truth)
    elif not folder.strip():
        raise InputError("Choose a folder with stacks, or tick layers.")
    elif not Path(folder).expanduser().is_dir():
        raise InputError(f"There is no folder {folder}; choose another.")
    request = TrainingRequest(
        stacks=() if folder is not None else tuple(stacks),
        sources=sources,
        folder=None if folder is None else Path(folder).expanduser(),
        config=_config(options),
        target=_target(options.name),
    )
    if request.run_folder.exists() and look(request.run_folder).state in ("running", "unfinished"):
        raise InputError(f"An unfinished training is called '{options.name}'; choose it above, or change the name.")
    return request


def _config(options: TrainingOptions) -> FinetuneConfig:
    try:
        return options.config()
    except SwinFusionError as error:
        raise InputError(str(error)) from error


def _target(name: str) -> Path:
    if not name.strip():
        raise InputError("Give your model a name.")
    if any(not (letter.isalnum() or letter in "-_ ") for letter in name):
        raise InputError(f"'{name}' is no name for a model; use letters, digits, - and _.")
    target = model_path(name.strip())
    if target.exists():
        raise InputError(f"You have a model '{name}' already; choose another name.")
    return target


def _check_choice(choice: StackChoice, *, needs_truth: bool) -> None:
    axes = choice.stack.axes()
    shape = tuple(choice.stack.data.shape)
    size = (shape[axes.index("Y")], shape[axes.index("X")])
    if needs_truth and choice.reference is None:
        raise InputError(f"This recipe learns from a sharp reference; choose one for '{choice.stack.name}'.")
    for word, view in (("reference", choice.reference), ("painted map", choice.painted)):
        if view is not None and _plane_shape(view) != size:
            raise InputError(
                f"The {word} '{view.name}' is {' × '.join(map(str, view.data.shape))}, but '{choice.stack.name}' is "
                f"{size[1]} × {size[0]} px; it has to be one image of the same size."
            )


def _plane_shape(view: LayerView) -> tuple[int, ...]:
    shape = tuple(view.data.shape)
    spatial = shape[:-1] if view.rgb else shape
    return tuple(n for n in spatial if n > 1) if len(spatial) > 2 else spatial


def _example(choice: StackChoice, source: FuseRequest) -> Example:
    example = Example(stack=replace(source.open(), name=choice.stack.name))
    for part, view in (("reference", choice.reference), ("painted", choice.painted)):
        if view is not None:
            example = attach(example, part, _plane(view))
    return example


def _plane(view: LayerView) -> NDArray[np.generic]:
    shape = _plane_shape(view)
    return np.asarray(view.data).reshape(*shape, *view.data.shape[-1:] if view.rgb else ())
