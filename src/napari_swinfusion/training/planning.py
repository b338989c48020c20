"""What a fine-tuning would do, how long it would take and how much memory, without doing it."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import psutil
import torch

from napari_swinfusion.training.data.checks import DataReport
from napari_swinfusion.training.data.examples import Data
from napari_swinfusion.training.finetuning import check
from napari_swinfusion.training.parts import build_parts, measure, planned_steps
from napari_swinfusion.training.processes import Crew
from napari_swinfusion.training.settings import FinetuneConfig


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A fine-tuning to be; only `data` is told where there are problems.

    Attributes
    ----------
    seconds_per_step, drawing_share
        Measured on a few steps of a copy of the network; the share of drawing crops is of the same time.
    minutes
        Of the whole, validation and judgement not included.
    peak_bytes
        Most memory that this process held while a few steps were measured, or the device on a GPU.
    """

    data: DataReport
    config: FinetuneConfig
    device: str = "cpu"
    parameters: int = 0
    learning: int = 0
    size: int = 0
    steps: int = 0
    steps_per_epoch: int = 0
    seconds_per_step: float = 0.0
    drawing_share: float = 0.0
    peak_bytes: int = 0
    watched_crops: int = 0
    judged_crops: int = 0

    @property
    def minutes(self) -> float:
        """How long the steps take."""
        return self.steps * self.seconds_per_step / 60

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        plain = {name: value for name, value in vars(self).items() if name not in ("data", "config")}
        return {**plain, "minutes": self.minutes, "config": self.config.to_dict(), "data": self.data.to_dict()}

    def text(self) -> str:
        """Return the plan in lines for a terminal."""
        if self.data.problems:
            return self.data.text()
        config = self.config
        lines = [
            self.data.text(),
            f"start     {config.base or config.architecture + ' from nothing'}: {self.parameters:,} parameters, "
            f"{self.learning:,} of them learning, on {self.device}",
            f"recipe    {config.recipe}; {config.simulated_share:.0%} of the steps on simulated stacks",
            f"steps     {self.steps} of crops of {self.size} px, {self.steps_per_epoch} an epoch",
            f"time      {self.minutes:.1f} min ({self.seconds_per_step:.3f} s a step, "
            f"{self.drawing_share:.0%} of it drawing crops)",
            f"memory    {self.peak_bytes / 2**30:.1f} GiB at the peak of a few steps",
            f"verdict   by {self.judged_crops} held-out crops; {self.watched_crops} others are watched each epoch",
        ]
        return "\n".join(lines)


def plan(data: Data, config: FinetuneConfig, held_out: Data | None = None) -> Plan:
    """Check the data, measure a few steps and return what would happen; nothing is written.

    Raises
    ------
    ModelError, ConfigError
        As `finetune`.
    """
    report = check(data, config, held_out)
    if report.problems:
        return Plan(data=report, config=config)
    with torch.random.fork_rng():
        parts = build_parts(report, config, Crew())
        cost = measure(parts, config)
        steps = planned_steps(parts, config, cost)
    weights = list(parts.network.parameters())
    device = weights[0].device
    return Plan(
        data=report,
        config=config,
        device=str(device),
        parameters=sum(weight.numel() for weight in weights),
        learning=sum(weight.numel() for weight in weights if weight.requires_grad),
        size=parts.size,
        steps=steps,
        steps_per_epoch=parts.steps_per_epoch,
        seconds_per_step=round(cost.seconds_per_step, 4),
        drawing_share=round(cost.drawing_share, 3),
        peak_bytes=_peak_bytes(device),
        watched_crops=len(parts.watching),
        judged_crops=len(parts.judging),
    )


def _peak_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
