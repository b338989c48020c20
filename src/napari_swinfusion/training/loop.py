"""The training loop: plain torch, repeatable from its seed, resumable after a kill, on one process or several.

Every step's samples, and whatever a network itself draws, come from generators seeded by (seed, step, rank), so a
resumed run sees what an unbroken one would.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, fields, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor, nn

from napari_swinfusion.config import Config
from napari_swinfusion.decide.device import is_out_of_memory, release_memory
from napari_swinfusion.errors import OutOfMemoryError, TrainingError
from napari_swinfusion.networks import Fused, FusionNetwork
from napari_swinfusion.training.checkpoint import has_checkpoint, load_checkpoint, save_checkpoint
from napari_swinfusion.training.events import WISHES, EventLog, Wish
from napari_swinfusion.training.processes import Crew
from napari_swinfusion.training.samples import draw_length

SMALLEST_CROP = 64
_PAUSE = 0.2  # Seconds between looks at the control file while paused.


@dataclass(frozen=True, kw_only=True)
class TrainingConfig(Config):
    """How long and how to train; an unknown key is an error.

    Attributes
    ----------
    steps
        Optimiser steps; the learning rate falls to zero over them on a cosine.
    planes_per_step
        Planes of a process and step, in stacks of 2 to 32.
    takes
        How often a simulated specimen of a step is taken, each time with a light and a camera of its own.
    pairs
        Share of the steps on pairs of photographs, simulated too: opaque scenes or one sharp image, in ample light.
    size, late_size, late_share
        Side of the crops, px; the last `late_share` of the steps uses `late_size`.
    learning_rate, warm_up, weight_decay, clip
        Of AdamW; the rate rises linearly over `warm_up` steps; gradients are clipped to norm `clip`.
    average
        Decay of the moving average of the weights, which is what ships.
    focus_share, agreement, transfer
        Weights in the recipe `supervised`: of the focus (the choice where a network has weights alone), of the
        agreement of the planes, and of the transfer of the true image's edges.
    tolerance
        See `objective`.
    half
        Whether the network computes in bfloat16 during training.
    checkpoint_every, checkpoint_seconds
        Greatest distance of checkpoints, in steps and in seconds.
    """

    steps: int = 20_000
    planes_per_step: int = 16
    takes: int = 1
    pairs: float = 0.0
    size: int = 128
    late_size: int = 192
    late_share: float = 0.2
    learning_rate: float = 1.5e-3
    warm_up: int = 300
    weight_decay: float = 0.01
    clip: float = 1.0
    average: float = 0.999
    focus_share: float = 0.2
    agreement: float = 0.0
    transfer: float = 0.0
    tolerance: float = 0.003
    half: bool = True
    checkpoint_every: int = 250
    checkpoint_seconds: float = 300.0
    seed: int = 0


class Drawn(Protocol):
    """Samples of one step: `planes` `(b, n, h, w)` and whatever the objective asks of them, all with b first."""

    @property
    def planes(self) -> Tensor:
        """The stacks."""
        ...

    def to(self, device: torch.device) -> Any:
        """Return the same on `device`."""
        ...


class Source(Protocol):
    """Where samples come from."""

    def draw(self, generator: torch.Generator, n: int, size: int, planes_per_step: int) -> Any:
        """Return stacks of about `n` planes of `size` px, about `planes_per_step` planes in all."""
        ...


Objective = Callable[[Fused, Any], dict[str, Tensor]]
"""Gives the "loss" of a batch, and under other names what is worth telling; each a scalar mean over samples."""

_Batch = TypeVar("_Batch")


@dataclass
class Standing:
    """Where a run stands; saved with each checkpoint.

    `splits` and `shrink` say how often memory ran out: into how many parts batches are cut, and by what their crops are
    smaller than configured. `sums` are of the terms in the last `counted` steps, and `times` says in how many of these
    each was asked for: own and simulated samples have different terms. `notes` belong to whoever runs the loop.
    """

    step: int = 0
    seconds: float = 0.0
    splits: int = 1
    shrink: int = 1
    counted: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    times: dict[str, int] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)


class Trainer:
    """A network, its moving average and its optimiser, and one step of the training of all three.

    Parameters
    ----------
    groups
        Optimiser groups with a `share` of the learning rate each; None trains everything alike.
    size_is_fixed
        Whether crops may become smaller where memory runs out.
    """

    def __init__(
        self,
        network: FusionNetwork,
        source: Source,
        objective: Objective,
        config: TrainingConfig,
        *,
        groups: Sequence[dict[str, Any]] | None = None,
        crew: Crew | None = None,
        log: EventLog | None = None,
        size_is_fixed: bool = False,
    ) -> None:
        self.network, self.source, self.objective, self.config = network, source, objective, config
        self.crew, self._log, self._size_is_fixed = crew or Crew(), log, size_is_fixed
        self.device = next(network.parameters()).device
        self.standing = Standing()
        self.optimizer = torch.optim.AdamW(
            groups or [{"params": list(network.parameters())}],
            lr=config.learning_rate,
            weight_decay=config.weight_decay,
            betas=(0.9, 0.98),
        )
        self.average = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}

    def resume(self, folder: Path) -> bool:
        """Go on where the newest checkpoint of `folder` stands; False where there is none."""
        if not has_checkpoint(folder):
            return False
        state = load_checkpoint(folder, network=self.network, average=self.average, optimizer=self.optimizer)
        self.standing = Standing(**state)
        return True

    def save(self, folder: Path) -> None:
        """Write a checkpoint, if this process leads."""
        if not self.crew.leads:
            return
        state = {entry.name: getattr(self.standing, entry.name) for entry in fields(Standing)}
        path = save_checkpoint(
            folder, network=self.network, average=self.average, optimizer=self.optimizer, state=state
        )
        self.tell("checkpoint", step=self.standing.step, path=str(path))

    def advance(self, wish: Wish = "resume") -> Wish:
        """Do one step, and return what all processes are asked for after it.

        Raises
        ------
        TrainingError
            If the loss or a gradient is not finite; nothing is changed by that step.
        OutOfMemoryError
            If the smallest part of a batch does not fit the memory.
        """
        self._set_rate()
        self.network.train()
        asked = float(WISHES.index(wish)) if self.crew.leads else 0.0
        while True:
            batch = self._draw()
            terms, failure = self._try(batch)
            can_split = float(terms is None and len(batch.planes) > self.standing.splits)
            flags = self.crew.agree(self.network, [float(terms is None), can_split, asked])
            if not flags[0]:
                break
            self._make_smaller(split=flags[1] > 0, failure=failure)
        assert terms is not None
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), self.config.clip)
        if not (math.isfinite(terms["loss"]) and bool(norm.isfinite())):
            self.optimizer.zero_grad(set_to_none=True)
            raise TrainingError(
                f"The loss or a gradient of step {self.standing.step} is not finite; its batch: {_name_of(batch)}. "
                "Nothing was learned from it; look at these images, or lower the learning rate."
            )
        self.optimizer.step()
        self.standing.step += 1
        self._follow()
        self._count(terms)
        return WISHES[round(flags[2])]

    def means(self) -> dict[str, float]:
        """Return the mean of each term since the last call, and start anew."""
        standing = self.standing
        means = {name: total / standing.times[name] for name, total in standing.sums.items()}
        standing.counted, standing.sums, standing.times = 0, {}, {}
        return means

    def averaged(self) -> dict[str, Tensor]:
        """Return the present weights after the moving average has taken their place; give them to `put_back`."""
        current = {name: tensor.detach().clone() for name, tensor in self.network.state_dict().items()}
        self.network.load_state_dict(self.average)
        self.network.eval()
        return current

    def put_back(self, current: dict[str, Tensor]) -> None:
        """Undo `averaged`."""
        self.network.load_state_dict(current)
        self.network.train()

    def tell(self, event: str, **facts: Any) -> None:
        """Tell an event, if this process leads and somebody listens."""
        if self.crew.leads and self._log is not None:
            self._log.tell(event, **facts)

    @property
    def rate(self) -> float:
        """The learning rate of the present step."""
        config, step = self.config, self.standing.step
        rise = min((step + 1) / max(config.warm_up, 1), 1.0)
        return config.learning_rate * rise * 0.5 * (1 + math.cos(math.pi * step / config.steps))

    @property
    def crop(self) -> int:
        """Side of the crops of the present step, px."""
        late = self.standing.step >= self.config.steps * (1 - self.config.late_share)
        wanted = self.config.late_size if late else self.config.size
        if self.standing.shrink == 1:
            return wanted
        multiple = self.network.info.size_multiple
        return max(wanted // self.standing.shrink, SMALLEST_CROP) // multiple * multiple

    def _set_rate(self) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate * float(group.get("share", 1.0))

    def _draw(self) -> Any:
        seed = (self.config.seed * 1_000_003 + self.standing.step) * 64
        # All processes take equally long stacks, or the faster would wait for the slower at every step.
        n = draw_length(torch.Generator().manual_seed(seed))
        torch.manual_seed(seed + 1 + self.crew.rank)
        generator = torch.Generator().manual_seed(seed + 1 + self.crew.rank)
        batch = self.source.draw(generator, n, self.crop, self.config.planes_per_step)
        return batch.to(self.device)

    def _try(self, batch: Any) -> tuple[dict[str, float] | None, Exception | None]:
        """Return the terms of a batch with its gradients in place, or None and the error where memory ran out."""
        try:
            return self._gradients(batch), None
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            # Without its traceback, which would keep the failed step's memory alive.
            return None, error.with_traceback(None)

    def _gradients(self, batch: Any) -> dict[str, float]:
        self.optimizer.zero_grad(set_to_none=True)
        count = len(batch.planes)
        parts = min(self.standing.splits, count)
        bounds = [round(i * count / parts) for i in range(parts + 1)]
        sums: dict[str, Tensor] = {}
        half = torch.autocast(self.device.type, torch.bfloat16) if self.config.half else nullcontext()
        for start, stop in pairwise(bounds):
            part = batch if parts == 1 else part_of(batch, slice(start, stop))
            with half:
                fused = self.network(part.planes)
            terms = self.objective(fused, part)
            share = (stop - start) / count
            (terms["loss"] * share).backward()  # type: ignore[no-untyped-call]
            for name, value in terms.items():
                sums[name] = sums.get(name, torch.zeros((), device=value.device)) + share * value.detach()
        values = torch.stack(list(sums.values())).tolist()
        return dict(zip(sums, values, strict=True))

    def _make_smaller(self, *, split: bool, failure: Exception | None) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        release_memory(self.device)
        if split:
            self.standing.splits *= 2
            text = f"Memory ran out: batches are now computed in {self.standing.splits} parts; the result is the same."
        elif self.crop > SMALLEST_CROP and not self._size_is_fixed:
            before = self.crop
            self.standing.shrink *= 2
            text = f"Memory ran out: crops are now {self.crop} px instead of {before} px."
        else:
            raise OutOfMemoryError(
                f"A single stack of {self.crop} px crops does not fit the memory of {self.device}; "
                "choose smaller crops or fewer planes a step, or the device cpu."
            ) from failure
        self.tell("notice", text=text)

    def _follow(self) -> None:
        step = self.standing.step
        decay = min(self.config.average, (1 + step) / (10 + step))
        state = self.network.state_dict()
        for name, tensor in self.average.items():
            if tensor.is_floating_point():
                tensor.lerp_(state[name].detach(), 1 - decay)
            else:
                tensor.copy_(state[name])

    def _count(self, terms: dict[str, float]) -> None:
        self.standing.counted += 1
        for name, value in terms.items():
            self.standing.sums[name] = self.standing.sums.get(name, 0.0) + value
            self.standing.times[name] = self.standing.times.get(name, 0) + 1


def run(
    trainer: Trainer,
    folder: Path,
    *,
    until: int,
    wish: Callable[[], Wish] = lambda: "resume",
    after_step: Callable[[], None] = lambda: None,
) -> Wish:
    """Step until `until` steps are done, and return "resume", or "stop" or "suspend" where that was wished before.

    `folder` gets a checkpoint as often as the configuration says, and at the end. The leading process is asked for its
    `wish` at each step; `after_step` is called in all.

    Raises
    ------
    TrainingError
        If the loss is not finite; the checkpoint holds the last good weights.
    """
    config, standing = trainer.config, trainer.standing
    saved = clock = time.monotonic()
    saved_step = standing.step
    wished: Wish = "resume"
    while standing.step < until and wished == "resume":
        try:
            wished = trainer.advance(wish() if trainer.crew.leads else "resume")
        except TrainingError:
            trainer.save(folder)
            raise
        after_step()
        now = time.monotonic()
        standing.seconds, clock = standing.seconds + now - clock, now
        if wished == "pause":
            wished = _pause(trainer, folder, wish)
            clock = saved = time.monotonic()
        elif standing.step % config.checkpoint_every == 0 or now - saved > config.checkpoint_seconds:
            trainer.save(folder)
            saved, saved_step = time.monotonic(), standing.step
    if saved_step != standing.step:
        trainer.save(folder)
    return wished


def _pause(trainer: Trainer, folder: Path, wish: Callable[[], Wish]) -> Wish:
    trainer.save(folder)
    trainer.tell("paused", step=trainer.standing.step)
    wished: Wish = "pause"
    while wished == "pause":
        time.sleep(_PAUSE)
        wished = WISHES[round(trainer.crew.same(float(WISHES.index(wish())), trainer.device))]
    trainer.tell("resumed", step=trainer.standing.step)
    return wished


def part_of(batch: _Batch, index: slice) -> _Batch:
    """Return some of the samples of a batch (a dataclass whose parts have them first)."""
    parts = {entry.name: getattr(batch, entry.name) for entry in fields(batch)}  # type: ignore[arg-type]
    cut = {name: part[index] for name, part in parts.items() if part is not None}
    return replace(batch, **cut)  # type: ignore[type-var]


def _name_of(batch: Any) -> str:
    names = getattr(batch, "names", None)
    return "; ".join(names) if names else "simulated stacks"
