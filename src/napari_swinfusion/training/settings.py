"""How a fine-tuning is done: the choices of the user in one frozen configuration."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Literal

from napari_swinfusion.config import Config
from napari_swinfusion.errors import ConfigError
from napari_swinfusion.losses.recipes import get_recipe


def read_settings(text: str) -> dict[str, Any]:
    """Return what `--settings` spells.

    Raises
    ------
    ConfigError
        If it is no JSON object.
    """
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigError(f"--settings is not JSON ({error}); write it as '{{\"size\": 96}}'.") from error
    if not isinstance(found, dict):
        raise ConfigError("--settings has to be a JSON object, such as '{\"size\": 96}'.")
    return found


@dataclass(frozen=True, kw_only=True)
class FinetuneConfig(Config):
    """Settings of a fine-tuning; an unknown key is an error.

    Attributes
    ----------
    base
        Shipped or own model to start from, or a file; None starts from nothing with `architecture`.
    architecture, network
        Registered network and its settings, where there is no base.
    recipe, recipe_weights
        Losses on own images, and other weights for some of its terms.
    epochs, minutes
        How long: an epoch looks about once at everything; minutes are turned into steps by measuring a few. Without
        either, 10 minutes.
    simulated_share
        Share of the steps on simulated stacks with known truth, drawn with the sharp tiles of the own images and,
        where all state one, their pixel size: they keep what the base knows. Half of them have the noise of the own
        images, so they also teach what that camera adds.
    painted_weight
        Weight of painted planes beside the recipe.
    learning_rate, warm_up, weight_decay, average
        See `TrainingConfig`; the default rate is a fifth of that from nothing.
    layer_decay
        Each part of the network (its top-level modules, last to first) learns this many times slower than the next.
    frozen
        Top-level modules that do not learn, such as "stem": for a few images.
    size
        Side of the crops, px; None takes 128, smaller where memory runs out. A size given is kept.
    planes_per_step
        Planes in a step.
    patience
        Epochs without a better validation after which the training ends.
    hold_out
        See `check_data`.
    register
        As in `fuse`.
    half
        Whether the network computes in bfloat16 during training; None where the processor gains by it.
    device
        As in `fuse`.
    checkpoint_seconds
        What a kill may cost at most, s.
    """

    base: str | None = "default"
    architecture: str = "hybrid"
    network: dict[str, Any] = field(default_factory=dict)
    recipe: str = "microscopy"
    recipe_weights: dict[str, float] = field(default_factory=dict)
    epochs: float | None = None
    minutes: float | None = None
    simulated_share: float = 0.25
    painted_weight: float = 1.0
    learning_rate: float | None = None
    warm_up: int = 20
    weight_decay: float = 0.01
    average: float = 0.99
    layer_decay: float = 1.0
    frozen: tuple[str, ...] = ()
    size: int | None = None
    planes_per_step: int = 16
    patience: int = 10
    hold_out: Literal["auto", "stacks", "half"] = "auto"
    register: Literal["off", "translation"] = "off"
    half: bool | None = None
    device: str = "auto"
    checkpoint_seconds: float = 120.0
    seed: int = 0

    def __post_init__(self) -> None:
        get_recipe(self.recipe, self.recipe_weights)
        if self.epochs is not None and self.minutes is not None:
            raise ConfigError("Give epochs or minutes, not both.")
        for name in ("epochs", "minutes", "learning_rate", "planes_per_step", "patience", "layer_decay"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ConfigError(f"'{name}' has to be above 0, not {value}.")
        if not 0 <= self.simulated_share < 1:
            raise ConfigError(f"'simulated_share' has to be at least 0 and below 1, not {self.simulated_share}.")
        if self.size is not None and self.size < 32:
            raise ConfigError(f"Crops of {self.size} px are too small; 'size' has to be at least 32.")
        if self.hold_out not in ("auto", "stacks", "half"):
            raise ConfigError(f"There is no 'hold_out' {self.hold_out!r}; choose auto, stacks or half.")

    @property
    def rate(self) -> float:
        """The learning rate."""
        return self.learning_rate or (3e-4 if self.base is not None else 1.5e-3)
