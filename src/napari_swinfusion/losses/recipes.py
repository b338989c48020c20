"""Weighted sums of losses by name; after document 003, which lists `original`, `lytro` and `microscopy`.

All but `supervised` need no truth: they compare the fused image with its own sources. All take any number of planes.
Grey levels are in about [0, 1]. The document gives no weights; what we chose is in `RECIPES`, each term of a size
that matters beside the others, and any of it can be overridden. Beyond the document, a network that tells the truest
plane apart from its weights gets one term more, `focus`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from napari_swinfusion.errors import ConfigError, InputError
from napari_swinfusion.losses.agreement import disagreement
from napari_swinfusion.losses.composite import composite_error
from napari_swinfusion.losses.detail import laplacian_detail, log_detail, sobel_detail
from napari_swinfusion.losses.focus import focus_cross_entropy, focus_target
from napari_swinfusion.losses.intensity import intensity
from napari_swinfusion.losses.low_frequency import low_frequency_l1
from napari_swinfusion.losses.mask import mask_balance, mask_binarisation, mask_total_variation
from napari_swinfusion.losses.reconstruction import l1, log_error
from napari_swinfusion.losses.soft_target import sharpness_weights
from napari_swinfusion.losses.ssim import ssim_loss, ssim_to_sources
from napari_swinfusion.losses.transfer import edge_transfer_loss

# Noise hides errors of about a third of its own size.
HIDDEN_BY_NOISE = 0.3
# What the distance between the planes of a pixel counts, beside the error of the image.
_APART = 0.2


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What a recipe may look at.

    Attributes
    ----------
    image
        `(b, h, w)`: the fused image.
    sources
        `(b, n, h, w)`: the planes it was made of.
    weights
        `(b, n, h, w)`: share of each plane; None where a network paints its image.
    focus
        `(b, n, h, w)`: probability that a plane is the truest; None where a network does not tell.
    truth
        `(b, h, w)`: noise-free all-in-focus image.
    clean
        `(b, n, h, w)`: noise-free planes.
    noise
        `(b,)`: standard deviation of the noise.
    distance
        `(b, n, h, w)`: of what is seen from the focus of each plane, planes.
    opaque
        `(b,)`: whether what is near hides what is far, True, or all light adds up; None stands for opaque.
    tolerance
        Error that does not decide which plane is the truest.
    """

    image: Tensor
    sources: Tensor
    weights: Tensor | None = None
    focus: Tensor | None = None
    truth: Tensor | None = None
    clean: Tensor | None = None
    noise: Tensor | None = None
    distance: Tensor | None = None
    opaque: Tensor | None = None
    tolerance: float = 0.003

    @cached_property
    def sharpness(self) -> Tensor:
        """The shares `(b, n, h, w)` of `sharpness_weights`, made once for all terms that follow them."""
        return sharpness_weights(self.sources.detach())

    @cached_property
    def soft_target(self) -> Tensor:
        """The sources `(b, h, w)` in the shares of their sharpness."""
        return (self.sharpness * self.sources.detach()).sum(1)

    @property
    def sole_weights(self) -> Tensor | None:
        """The weights of a network that has no focus apart from them."""
        return self.weights if self.focus is None else None

    @cached_property
    def log_error(self) -> Tensor:
        """How far the image is from the truth, `(b,)`: what several terms ask for."""
        return log_error(self.image, self["truth"])

    @property
    def disagreement(self) -> Tensor:
        """How far the planes of a pixel lie apart beyond their noise, `(b,)`; 0 where light adds up.

        There no plane shows the truth, and the best image takes something from several.
        """
        apart = disagreement(self.image, self["weights"], self.sources, self["noise"])
        return apart if self.opaque is None else apart * self.opaque

    @cached_property
    def hidden(self) -> Tensor:
        """The error `(b,)` that does not matter: the tolerance and what noise hides."""
        return self.tolerance + HIDDEN_BY_NOISE * self["noise"]

    def __getitem__(self, name: str) -> Tensor:
        """Return what must be there.

        Raises
        ------
        InputError
            If it is not.
        """
        value: Tensor | None = getattr(self, name)
        if value is None:
            raise InputError(f"This recipe needs '{name}', which was not given.")
        return value


@dataclass(frozen=True, kw_only=True)
class Term:
    """One loss in a recipe.

    Attributes
    ----------
    weight
        Its factor; a term of weight 0 is not computed.
    loss
        Takes the evidence, returns `(b,)`.
    of
        What of a network's answer it judges; left out where the network does not give that.
    """

    weight: float
    loss: Callable[[Evidence], Tensor]
    of: str = "image"


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A weighted sum of losses.

    Attributes
    ----------
    summary
        One line for menus.
    parts
        The terms by name.
    needs_truth
        Whether it needs simulated samples.
    """

    name: str
    summary: str
    parts: Mapping[str, Term]
    needs_truth: bool = False

    @property
    def weights(self) -> dict[str, float]:
        """The factor of each term."""
        return {name: term.weight for name, term in self.parts.items()}

    def with_weights(self, weights: Mapping[str, float]) -> Recipe:
        """Return this recipe with other weights for the terms named.

        Raises
        ------
        ConfigError
            If there is no such term (the message names the nearest), a weight is negative or none is left.
        """
        for name, weight in weights.items():
            if name not in self.parts:
                raise ConfigError(f"The recipe '{self.name}' has no term '{name}'; {_nearest(name, self.parts)}")
            if not 0 <= weight < math.inf:
                raise ConfigError(f"The weight of '{name}' is {weight}; it has to be a number from 0 up.")
        if not any((self.weights | dict(weights)).values()):
            raise ConfigError(f"All terms of the recipe '{self.name}' have the weight 0; leave at least one.")
        changed = {name: replace(self.parts[name], weight=weight) for name, weight in weights.items()}
        return replace(self, parts={**self.parts, **changed})

    def terms(
        self, image: Tensor, weights: Tensor | None, sources: Tensor, truth: Tensor | None = None, **evidence: Any
    ) -> dict[str, Tensor]:
        """Return each term `(b,)`, not weighted; see `Evidence` for what may be given.

        Terms of weight 0 are left out, and those about weights or focus where there are none.

        Raises
        ------
        InputError
            If a term needs evidence that is missing.
        ConfigError
            If there is no such evidence.
        """
        for name in evidence:
            if name not in _EVIDENCE:
                raise ConfigError(f"No recipe looks at '{name}'; {_nearest(name, _EVIDENCE)}")
        seen = Evidence(image=image, sources=sources, weights=weights, truth=truth, **evidence)
        return {
            name: term.loss(seen)
            for name, term in self.parts.items()
            if term.weight and getattr(seen, term.of) is not None
        }

    def total(self, terms: Mapping[str, Tensor]) -> Tensor:
        """Return the weighted sum `(b,)` of `terms`."""
        return torch.stack([self.parts[name].weight * value for name, value in terms.items()]).sum(0)

    def __call__(
        self, image: Tensor, weights: Tensor | None, sources: Tensor, truth: Tensor | None = None, **evidence: Any
    ) -> Tensor:
        """Return the weighted sum `(b,)`; see `terms`."""
        return self.total(self.terms(image, weights, sources, truth, **evidence))


_EVIDENCE = tuple(entry.name for entry in fields(Evidence))


def _nearest(name: str, known: Mapping[str, Any] | tuple[str, ...]) -> str:
    near = get_close_matches(name, known, n=1)
    return f"did you mean '{near[0]}'?" if near else f"known are {', '.join(known)}."


def _focus() -> Term:
    # The document's network has a mask alone. One that also tells the truest plane would unlearn it in a training that
    # never asks; the sharpest plane is the best guess where no truth is known.
    return Term(weight=0.05, loss=lambda e: focus_cross_entropy(e["focus"], e.sharpness), of="focus")


def _total_variation(weight: float) -> Term:
    return Term(weight=weight, loss=lambda e: mask_total_variation(e["weights"]), of="weights")


def _binarisation(weight: float) -> Term:
    return Term(weight=weight, loss=lambda e: mask_binarisation(e["weights"]), of="weights")


RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            name="original",
            summary="Strongest gradient, brightest grey level, no empty mask: document 003's first.",
            parts={
                "gradient": Term(weight=1.0, loss=lambda e: sobel_detail(e.image, e.sources)),
                "intensity": Term(weight=1.0, loss=lambda e: intensity(e.image, e.sources, aggregate="max")),
                "balance": Term(weight=0.1, loss=lambda e: mask_balance(e["weights"]), of="weights"),
                "focus": _focus(),
            },
        ),
        Recipe(
            name="lytro",
            summary="Strongest LoG and likeness to the sharper source, a decided mask: for photograph pairs.",
            parts={
                "detail": Term(weight=1.0, loss=lambda e: log_detail(e.image, e.sources)),
                "ssim": Term(weight=1.0, loss=lambda e: ssim_loss(e.image, e.soft_target)),
                "binarisation": _binarisation(0.1),
                "total_variation": _total_variation(0.1),
                "focus": _focus(),
            },
        ),
        Recipe(
            name="microscopy",
            summary="Sharpness-weighted target, level background, smooth mask: for noisy stacks without truth.",
            parts={
                "target": Term(weight=1.0, loss=lambda e: l1(e.image, e.soft_target)),
                "detail": Term(weight=1.0, loss=lambda e: laplacian_detail(e.image, e.soft_target)),
                "low_frequency": Term(weight=1.0, loss=lambda e: low_frequency_l1(e.image, e.sources)),
                "total_variation": _total_variation(0.1),
                "binarisation": _binarisation(0.01),
                "focus": _focus(),
            },
        ),
        Recipe(
            name="swinfusion",
            summary="SSIM to all sources, strongest gradient, mean grey level: the SwinFusion paper's for focus.",
            parts={
                "ssim": Term(weight=10.0, loss=lambda e: ssim_to_sources(e.image, e.sources)),
                "texture": Term(weight=20.0, loss=lambda e: sobel_detail(e.image, e.sources)),
                "intensity": Term(weight=20.0, loss=lambda e: intensity(e.image, e.sources, aggregate="mean")),
                "focus": _focus(),
            },
        ),
        Recipe(
            name="supervised",
            summary="A true image first, an honest choice of planes second: for simulated stacks.",
            needs_truth=True,
            parts={
                "image": Term(weight=1.0, loss=lambda e: e.log_error),
                "focus": Term(
                    weight=0.2,
                    loss=lambda e: focus_cross_entropy(
                        e["focus"], focus_target(e["clean"], e["truth"], tolerance=e.hidden, distance=e.distance)
                    ),
                    of="focus",
                ),
                # Without a focus to be asked, weights stay where they begin, at the mean of the planes, for long.
                "choice": Term(
                    weight=0.2,
                    loss=lambda e: focus_cross_entropy(
                        e["weights"], focus_target(e["clean"], e["truth"], tolerance=e.hidden)
                    ),
                    of="sole_weights",
                ),
                # With the weight 1 this adds the share of the disagreement to the error within its logarithm.
                "agreement": Term(
                    weight=0.0,
                    loss=lambda e: (_APART * e.disagreement / e.log_error.exp()).log1p(),
                    of="weights",
                ),
                # Against the truth, not the planes: noise has edges too, and those of what is out of focus are no gain.
                "transfer": Term(weight=0.0, loss=lambda e: edge_transfer_loss(e.image, e["truth"].unsqueeze(1))),
                "composite": Term(
                    weight=0.0,
                    loss=lambda e: composite_error(e.image, e["clean"], e["truth"], tolerance=e.hidden),
                ),
            },
        ),
    )
}


def get_recipe(name: str, weights: Mapping[str, float] | None = None) -> Recipe:
    """Return the recipe of that name, with other `weights` for some of its terms if asked.

    Raises
    ------
    ConfigError
        If there is no such recipe or term; the message names the nearest.
    """
    if name not in RECIPES:
        raise ConfigError(f"There is no recipe '{name}'; {_nearest(name, RECIPES)}")
    return RECIPES[name].with_weights(weights or {})
