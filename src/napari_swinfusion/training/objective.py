"""From a network's answer and a batch of simulated samples to the loss of a recipe."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from napari_swinfusion.losses.recipes import Recipe
from napari_swinfusion.networks import Fused
from napari_swinfusion.training.samples import Batch


@dataclass(frozen=True)
class Objective:
    """The loss of a batch and the terms it is made of, not weighted; each a mean over samples."""

    loss: Tensor
    terms: dict[str, Tensor]


def objective(fused: Fused, batch: Batch, recipe: Recipe, *, tolerance: float = 0.003) -> Objective:
    """Return what `recipe` says of the image that `fused` stands for.

    The image is composed anew from the weights where there are some: the network's own may have passed through half
    precision. Errors below `tolerance`, a share of the range, do not decide which plane is the truest.
    """
    image = fused.image.float() if fused.weights is None else (fused.weights * batch.planes).sum(1)
    terms = recipe.terms(
        image,
        fused.weights,
        batch.planes,
        batch.truth,
        focus=fused.focus,
        clean=batch.clean,
        noise=batch.noise,
        distance=batch.distance,
        opaque=batch.opaque,
        tolerance=tolerance,
    )
    return Objective(recipe.total(terms).mean(), {name: value.mean() for name, value in terms.items()})
