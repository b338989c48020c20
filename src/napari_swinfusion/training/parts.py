"""What a fine-tuning is put together from: networks, crops, recipe, and how many steps fit the time."""

from __future__ import annotations

import copy
import hashlib
import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from napari_swinfusion.decide.device import choose_device
from napari_swinfusion.errors import ConfigError, InputError
from napari_swinfusion.losses.recipes import Recipe, get_recipe
from napari_swinfusion.networks import FusionNetwork, build_network
from napari_swinfusion.training.data.checks import DataReport
from napari_swinfusion.training.data.crops import MOST_PLANES, MixedStacks, OwnStacks
from napari_swinfusion.training.data.held_out import JUDGED, WATCHED, HeldOutCrop, held_out_crops
from napari_swinfusion.training.data.regions import sharp_tiles
from napari_swinfusion.training.events import EventLog
from napari_swinfusion.training.loop import Objective, Source, Trainer, TrainingConfig
from napari_swinfusion.training.own_objective import own_objective
from napari_swinfusion.training.pretraining import SimulatedStacks
from napari_swinfusion.training.processes import Crew
from napari_swinfusion.training.settings import FinetuneConfig
from napari_swinfusion.training.textures import bundled_textures
from napari_swinfusion.weights import find_model, load_model, read_header, sha256_of

USUAL_SIZE, USUAL_MINUTES = 128, 10.0
FEWEST_STEPS_PER_EPOCH = 40

# The first steps after a start take longer, and a few tell the cost by chance.
_UNMEASURED_STEPS, _MEASURED_STEPS = 3, 8
_RESERVE = 0.12  # Of the time, for validation and the judgement.


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Everything a run needs; `base` is what the result is compared with, whether or not it was started from."""

    report: DataReport
    config: FinetuneConfig
    network: FusionNetwork
    architecture: str
    base: FusionNetwork
    base_name: str
    base_sha256: str
    source: Source
    objective: Objective
    recipe: Recipe
    watching: list[HeldOutCrop]
    judging: list[HeldOutCrop]
    size: int
    steps_per_epoch: int
    notices: tuple[str, ...]
    crew: Crew


def build_parts(report: DataReport, config: FinetuneConfig, crew: Crew) -> Parts:
    """Load, build and cut what a run needs.

    Raises
    ------
    ModelError, ConfigError
        If the base, the network or a setting does not exist.
    """
    device, notice = choose_device(config.device)
    if device.type == "cuda" and crew.size > 1:
        device = torch.device("cuda", crew.rank % torch.cuda.device_count())
    base_name = config.base or "default"
    base = load_model(base_name).to(device)
    if config.base is None:
        torch.manual_seed(config.seed)
        network, architecture = build_network(config.architecture, config.network), config.architecture
    else:
        network, architecture = load_model(config.base), read_header(find_model(config.base))["architecture"]
    freeze(network, config.frozen)
    recipe = get_recipe(config.recipe, config.recipe_weights)
    most = min(network.info.planes[1] or MOST_PLANES, MOST_PLANES)
    watching, judging = held_out_crops(report.held_out, most=JUDGED, planes=most)
    size = _crop_size(config, network)
    seen = sum(region.box.height * region.box.width * min(region.n_planes, most) for region in report.training)
    epoch = math.ceil(seen / (size**2 * config.planes_per_step * crew.size))
    return Parts(
        report=report,
        config=config,
        network=network.to(device),
        architecture=architecture,
        base=base,
        base_name=base_name,
        base_sha256=sha256_of(find_model(base_name)),
        source=_source(report, config, most=most),
        objective=own_objective(recipe, get_recipe("supervised"), painted_weight=config.painted_weight),
        recipe=recipe,
        watching=watching[:WATCHED],
        judging=judging,
        size=size,
        steps_per_epoch=max(epoch, FEWEST_STEPS_PER_EPOCH),
        notices=(notice,) if notice else (),
        crew=crew,
    )


def make_trainer(
    parts: Parts, config: FinetuneConfig, log: EventLog, folder: Path, *, clock: Callable[[], float] = time.monotonic
) -> Trainer:
    """Return the trainer of a run, brought to its checkpoint where there is one.

    Raises
    ------
    InputError
        If the checkpoint is of a run with other data or settings.
    """
    trainer = _trainer(parts, config, steps=1, log=log)
    notes = trainer.standing.notes
    fingerprint = _fingerprint(parts.report, config)
    if trainer.resume(folder):
        notes = trainer.standing.notes
        if notes["fingerprint"] != fingerprint:
            raise InputError(
                f"The unfinished training in {folder} has other data or settings; give the same, or overwrite it."
            )
    else:
        # Measured once a run: a resumed one has to end where the unbroken one would.
        steps = 0
        if parts.crew.leads:
            steps = planned_steps(parts, config, None if config.epochs else measure(parts, config, clock))
        notes |= {"fingerprint": fingerprint, "steps": round(parts.crew.same(float(steps), trainer.device))}
    trainer.config = replace(trainer.config, steps=int(notes["steps"]))
    return trainer


@dataclass(frozen=True)
class Cost:
    """What a step costs on this machine: seconds, and the share of them that drawing samples takes."""

    seconds_per_step: float
    drawing_share: float


def planned_steps(parts: Parts, config: FinetuneConfig, cost: Cost | None) -> int:
    """Return how many steps the epochs are, or fit the minutes at that cost."""
    if config.epochs is not None or cost is None:
        return max(math.ceil((config.epochs or 1) * parts.steps_per_epoch), 1)
    minutes = USUAL_MINUTES if config.minutes is None else config.minutes
    return max(int(60 * minutes * (1 - _RESERVE) / cost.seconds_per_step), 10)


def measure(
    parts: Parts, config: FinetuneConfig, clock: Callable[[], float] = time.monotonic, *, steps: int = _MEASURED_STEPS
) -> Cost:
    """Return the cost of a step, from `steps` of a copy of the network that is thrown away."""
    trial = replace(parts, network=copy.deepcopy(parts.network), crew=Crew())
    trainer = _trainer(trial, config, steps=1000, log=None)
    drawing = _Timed(trainer.source, clock)
    trainer.source = drawing
    for _ in range(_UNMEASURED_STEPS):
        trainer.advance()
    drawing.seconds, started = 0.0, clock()
    for _ in range(steps):
        trainer.advance()
    seconds = max(clock() - started, 1e-6)
    return Cost(seconds / steps, drawing.seconds / seconds)


class _Timed:
    def __init__(self, source: Source, clock: Callable[[], float]) -> None:
        self._source, self._clock, self.seconds = source, clock, 0.0

    def draw(self, generator: torch.Generator, n: int, size: int, planes_per_step: int) -> Any:
        started = self._clock()
        batch = self._source.draw(generator, n, size, planes_per_step)
        self.seconds += self._clock() - started
        return batch


def _trainer(parts: Parts, config: FinetuneConfig, *, steps: int, log: EventLog | None) -> Trainer:
    device = next(parts.network.parameters()).device
    training = TrainingConfig(
        steps=steps,
        planes_per_step=config.planes_per_step,
        size=parts.size,
        late_size=parts.size,
        late_share=0.0,
        learning_rate=config.rate,
        warm_up=config.warm_up,
        weight_decay=config.weight_decay,
        average=config.average,
        half=gains_by_half(device) if config.half is None else config.half,
        checkpoint_every=10**9,
        checkpoint_seconds=config.checkpoint_seconds,
        seed=config.seed,
    )
    return Trainer(
        parts.network,
        parts.source,
        parts.objective,
        training,
        groups=_groups(parts.network, config.layer_decay),
        crew=parts.crew,
        log=log,
        size_is_fixed=config.size is not None,
    )


def gains_by_half(device: torch.device) -> bool:
    """Tell whether a device computes faster in bfloat16 than in whole floats."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return device.type == "cpu" and bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def _source(report: DataReport, config: FinetuneConfig, *, most: int) -> Source:
    own = OwnStacks(report.training, most=most)
    if config.simulated_share == 0:
        return own
    tiles = [torch.from_numpy(tile) for tile in sharp_tiles(report.training)]
    # As many photographs as tiles at most: the lab's own detail should be seen half of the time.
    photographs = list(bundled_textures().values())[: max(len(tiles), 4)]
    cameras = tuple(region.camera for region in report.training)
    simulated = SimulatedStacks([*tiles, *photographs], most, _pixel_sizes(report), cameras=cameras)
    return MixedStacks(own, simulated, config.simulated_share)


def _pixel_sizes(report: DataReport) -> tuple[float, ...]:
    """Return the pixel sizes of the stacks that are learned from, µm; none where one of them does not say."""
    stated = {entry.pixel_size if entry.unit == "µm" else None for entry in report.entries if entry.role == "training"}
    sizes = [math.sqrt(size[0] * size[1]) for size in stated if size is not None]
    return tuple(sorted(sizes)) if len(sizes) == len(stated) else ()


def _crop_size(config: FinetuneConfig, network: FusionNetwork) -> int:
    multiple, wanted = network.info.size_multiple, config.size or USUAL_SIZE
    return max(wanted // multiple, 1) * multiple


def freeze(network: FusionNetwork, names: tuple[str, ...]) -> None:
    """Keep the parts `names` of `network` as they are while the rest learns.

    Raises
    ------
    ConfigError
        If there is no part of a name, or nothing is left to learn.
    """
    modules = dict(network.named_children())
    for name in names:
        if name not in modules:
            raise ConfigError(f"The network has no part '{name}' to freeze; it has {', '.join(modules)}.")
        modules[name].requires_grad_(False)
    if not any(parameter.requires_grad for parameter in network.parameters()):
        raise ConfigError("Every part of the network is frozen; leave at least one to learn.")


def _groups(network: FusionNetwork, decay: float) -> list[dict[str, Any]]:
    """Return optimiser groups: each top-level module learns `decay` times as fast as the next one."""
    children = list(network.named_children())
    groups: list[dict[str, Any]] = []
    taken: set[int] = set()
    for i, (_, module) in enumerate(children):
        own = [parameter for parameter in module.parameters() if parameter.requires_grad and id(parameter) not in taken]
        taken |= {id(parameter) for parameter in own}
        if own:
            groups.append({"params": own, "share": decay ** (len(children) - 1 - i)})
    rest = [parameter for parameter in network.parameters() if parameter.requires_grad and id(parameter) not in taken]
    return [*groups, {"params": rest, "share": 1.0}] if rest else groups


def _fingerprint(report: DataReport, config: FinetuneConfig) -> str:
    facts = {"config": config.to_dict(), "data": [(entry.role, entry.box, entry.sha256) for entry in report.entries]}
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()
