"""What a network is asked on a lab's own crops: a recipe everywhere, and the painted planes where there are any."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from napari_swinfusion.losses.recipes import Recipe
from napari_swinfusion.networks import Fused
from napari_swinfusion.training.data.crops import OwnBatch
from napari_swinfusion.training.objective import objective


def own_objective(
    recipe: Recipe, simulated: Recipe, *, painted_weight: float
) -> Callable[[Fused, Any], dict[str, Tensor]]:
    """Return the objective of batches that are own crops or simulated stacks.

    Own crops follow `recipe`, with the image composed from the planes as they were before noise was added; to that
    comes `painted_weight` times the cross-entropy of the painted planes, over painted pixels. Simulated stacks follow
    `simulated`, which may ask for the truth. The two losses are of different scales, so each is told by its own name,
    "own" and "simulated", beside "loss".
    """

    def judge(fused: Fused, batch: Any) -> dict[str, Tensor]:
        if not isinstance(batch, OwnBatch):
            loss = objective(fused, batch, simulated).loss
            return {"loss": loss, "simulated": loss}
        terms = {name: value.mean() for name, value in own_terms(fused, batch, recipe).items()}
        loss = recipe.total(terms)
        if batch.painted is not None and fused.weights is not None:
            terms["painted"] = painted_cross_entropy(fused, batch.painted)
            loss = loss + painted_weight * terms["painted"]
        return {"loss": loss, "own": loss, **terms}

    return judge


def own_terms(fused: Fused, batch: OwnBatch, recipe: Recipe) -> dict[str, Tensor]:
    """Return each term of `recipe` `(b,)` on own crops, not weighted."""
    image = fused.image.float() if fused.weights is None else (fused.weights * batch.clean).sum(1)
    return recipe.terms(
        image, fused.weights, batch.clean, batch.truth, focus=fused.focus, clean=batch.clean, noise=batch.noise
    )


def painted_cross_entropy(fused: Fused, painted: Tensor) -> Tensor:
    """Return the mean cross-entropy of the painted planes, nats: of the shares and, where told apart, of the focus.

    Parameters
    ----------
    painted
        `(b, h, w)`: 0, or the right plane counted from 1.
    """
    there = painted > 0
    label = (painted - 1).clamp(min=0).unsqueeze(1)
    losses = []
    for shares in (fused.weights, fused.focus):
        if shares is not None:
            nats = -shares.float().gather(1, label).squeeze(1).clamp(min=1e-6).log()
            losses.append((nats * there).sum() / there.sum().clamp(min=1))
    return torch.stack(losses).mean()
