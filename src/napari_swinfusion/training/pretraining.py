"""Training from simulated stacks alone, which is how the shipped networks come to be."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from napari_swinfusion.errors import CancelledError
from napari_swinfusion.losses.recipes import get_recipe
from napari_swinfusion.networks import Fused, FusionNetwork
from napari_swinfusion.training.data.cameras import CameraTraits
from napari_swinfusion.training.events import EventLog, Wish
from napari_swinfusion.training.loop import Trainer, TrainingConfig, run
from napari_swinfusion.training.objective import objective
from napari_swinfusion.training.processes import join_crew
from napari_swinfusion.training.samples import MOST_PLANES, Batch, draw_batch
from napari_swinfusion.weights import save_model

# What fuses planes two by two learns from short stacks: more of them are drawn for the same cost.
_MOST_IN_PAIRS = 4


@dataclass(frozen=True)
class SimulatedStacks:
    """Draws stacks of up to `most` planes with known truth from sharp images `textures` `(h, w)`, values in [0, 1].

    `pixel_sizes`, µm, `takes` and `cameras` are as for `draw_batch`. A draw is of pairs of photographs with the
    probability `pairs`.
    """

    textures: list[Tensor]
    most: int = MOST_PLANES
    pixel_sizes: tuple[float, ...] = ()
    takes: int = 1
    pairs: float = 0.0
    cameras: tuple[CameraTraits, ...] = ()

    def draw(self, generator: torch.Generator, n: int, size: int, planes_per_step: int) -> Batch:
        """Return stacks of `n` planes, or `most` where that is fewer."""
        pairs = self.pairs > 0 and float(torch.rand((), generator=generator)) < self.pairs
        return draw_batch(
            generator,
            n=2 if pairs else min(n, self.most),
            photographs=pairs,
            size=size,
            planes_per_step=planes_per_step,
            textures=self.textures,
            pixel_sizes=self.pixel_sizes,
            takes=self.takes,
            cameras=self.cameras,
        )


def with_truth(config: TrainingConfig) -> Callable[[Fused, Batch], dict[str, Tensor]]:
    """Return the recipe "supervised" as an objective."""
    weights = {
        "focus": config.focus_share,
        "choice": config.focus_share,
        "agreement": config.agreement,
        "transfer": config.transfer,
    }
    recipe = get_recipe("supervised", weights=weights)

    def judge(fused: Fused, batch: Batch) -> dict[str, Tensor]:
        parts = objective(fused, batch, recipe, tolerance=config.tolerance)
        with torch.no_grad():
            image = fused.image.float() if fused.weights is None else (fused.weights * batch.planes).sum(1)
            psnr = -10 * (image - batch.truth).square().mean((-2, -1)).clamp(min=1e-9).log10().mean()
        return {"loss": parts.loss, **parts.terms, "psnr": psnr}

    return judge


def train(
    network: FusionNetwork,
    textures: dict[str, Tensor],
    config: TrainingConfig,
    folder: Path,
    *,
    until: int | None = None,
    report: Callable[[dict[str, Any]], None] | None = None,
    wish: Callable[[], Wish] = lambda: "resume",
) -> Path:
    """Train `network` on simulated stacks and return the model file, `folder/model.safetensors`.

    A `folder` that holds a checkpoint is resumed. `folder/log.jsonl` gets a line every `checkpoint_every` steps, and
    `report` is told the same; see `events`. `until` pauses after that many of the configured steps, and `wish` on
    demand; a later call goes on.

    Raises
    ------
    CancelledError
        If `wish` is to suspend.
    TrainingError
        If the loss is not finite.
    """
    folder.mkdir(parents=True, exist_ok=True)
    log = EventLog(folder, report)
    stacks = SimulatedStacks(list(textures.values()), takes=config.takes, pairs=config.pairs)
    if network.info.pairwise:
        stacks = replace(stacks, most=_MOST_IN_PAIRS)
    trainer = Trainer(network, stacks, with_truth(config), config, crew=join_crew(), log=log)
    trainer.resume(folder)
    trainer.tell("started", step=trainer.standing.step, steps=config.steps, processes=trainer.crew.size)
    last = min(until or config.steps, config.steps)
    started = time.perf_counter()

    def tell() -> None:
        nonlocal started
        standing = trainer.standing
        if standing.step % config.checkpoint_every and standing.step != last:
            return
        seconds = (time.perf_counter() - started) / standing.counted
        line = {
            "step": standing.step, **trainer.means(), "seconds_per_step": seconds, "processes": trainer.crew.size,
        }  # fmt: skip
        started = time.perf_counter()
        if trainer.crew.leads:
            _save_average(trainer, folder, textures, line)
        trainer.tell("progress", **line)

    if run(trainer, folder, until=last, wish=wish, after_step=tell) == "suspend":
        trainer.tell("suspended", step=trainer.standing.step)
        raise CancelledError("The training was suspended; the same command goes on with it.")
    return folder / "model.safetensors"


def _save_average(trainer: Trainer, folder: Path, textures: dict[str, Tensor], line: dict[str, Any]) -> None:
    current = trainer.averaged()
    parameters = sum(parameter.numel() for parameter in trainer.network.parameters())
    story = {
        "training": asdict(trainer.config),
        "textures": sorted(textures),
        "last": line,
        "parameters": parameters,
    }
    save_model(trainer.network, folder / "model.safetensors", story)
    trainer.put_back(current)
