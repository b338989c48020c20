"""What is compared: every method runs through `fuse`, so that all get the same illumination match and compositing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from napari_swinfusion import FocalStack, FusedImage, compose, fuse
from napari_swinfusion.decide.registry import make_decider
from napari_swinfusion.weights import list_networks

Method = Callable[[FocalStack], FusedImage]

# The rivals that the product has to beat; "tenengrad guarded" is our own classical fallback and is told apart.
TEXTBOOK = ("mean", "tenengrad argmax", "laplacian pyramid")


def middle_plane(stack: FocalStack) -> FusedImage:
    """Return the plane halfway up, matched like the others."""
    return compose(stack, np.full((stack.height, stack.width), stack.n_planes // 2))


def make_methods(model: str | Path) -> dict[str, Method]:
    """Return all methods by name; the network's only where `model` is there."""
    methods: dict[str, Method] = {
        "mean": lambda stack: fuse(stack, model="mean"),
        "middle plane": middle_plane,
        "tenengrad argmax": lambda stack: fuse(stack, model="tenengrad-argmax"),
        "laplacian pyramid": lambda stack: fuse(stack, model="laplacian-pyramid"),
        "tenengrad guarded": lambda stack: fuse(stack, model="tenengrad"),
    }
    if str(model) in list_networks() or Path(model).is_file():
        network = make_decider(model)
        methods["network soft"] = lambda stack: fuse(stack, model=network, blend="soft")
        methods["network hard"] = lambda stack: fuse(stack, model=network, blend="hard")
    return methods


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return mean, standard deviation and range of scores, leaving out undefined ones."""
    finite = np.array([value for value in values if np.isfinite(value)])
    if not finite.size:
        return {"mean": float("nan"), "sd": float("nan"), "least": float("nan"), "most": float("nan")}
    numbers = {"mean": finite.mean(), "sd": finite.std(), "least": finite.min(), "most": finite.max()}
    return {name: round(float(number), 4) for name, number in numbers.items()}
