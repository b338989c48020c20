"""What is compared: every method runs through `fuse`, so that all get the same illumination match and compositing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from napari_swinfusion import FocalStack, FusedImage, compose, fuse
from napari_swinfusion.decide.base import Decider
from napari_swinfusion.decide.registry import COMPARATORS, make_decider
from napari_swinfusion.evaluation import summarise
from napari_swinfusion.weights import list_networks, load_model

FALLBACK = "tenengrad"
"""The project's own classical method, guarded against noise; told apart from what others use."""


@dataclass(frozen=True, kw_only=True)
class Contest:
    """The networks that are judged, and the methods they are judged against."""

    networks: dict[str, Decider]
    classical: tuple[str, ...] = (*COMPARATORS, FALLBACK)

    def fuse(self, stack: FocalStack, *, hard: bool = False) -> dict[str, FusedImage]:
        """Return the fused image of every method by name; with `hard` also each network's single planes."""
        results = {name: fuse(stack, model=name) for name in self.classical}
        for name, network in self.networks.items():
            results[name] = fuse(stack, model=network)
            if hard:
                # What blend="hard" gives, without deciding twice.
                results[f"{name}, hard"] = compose(stack, results[name].decision)
        return results

    def facts(self) -> dict[str, Any]:
        """Return which weights were judged."""
        return {
            name: {"name": network.info.name, "sha256": network.info.sha256} for name, network in self.networks.items()
        }


def whole_stack_networks() -> list[str]:
    """Return the networks that ship, but for those that go from pair to pair: they take ten times as long."""
    return [name for name in list_networks() if not load_model(name).info.pairwise]


def make_contest(models: Sequence[str | Path] | None = None, *, device: str = "cpu") -> Contest:
    """Return the contest of the given names or weights files, by default of `whole_stack_networks`."""
    deciders = [make_decider(model, device=device) for model in (whole_stack_networks() if models is None else models)]
    return Contest(networks={decider.info.name: decider for decider in deciders})


def table(rows: Mapping[str, Iterable[Mapping[str, float]]]) -> dict[str, dict[str, dict[str, float]]]:
    """Return mean, standard deviation and n by method and metric, rounded for a file that is kept."""
    return {
        method: {
            name: {key: round(value, 4) for key, value in asdict(found).items()} for name, found in metrics.items()
        }
        for method, metrics in ((method, summarise(scores)) for method, scores in rows.items())
    }


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return mean, standard deviation and range of scores, leaving out undefined ones."""
    finite = np.array([value for value in values if np.isfinite(value)])
    if not finite.size:
        return {"mean": float("nan"), "sd": float("nan"), "least": float("nan"), "most": float("nan")}
    numbers = {"mean": finite.mean(), "sd": finite.std(), "least": finite.min(), "most": finite.max()}
    return {name: round(float(number), 4) for name, number in numbers.items()}


def decision_steps(decision: Any, mask: Any) -> float:
    """Return the share of neighbouring pixels under `mask` whose planes lie more than one apart: flicker of the map."""
    jumps = pairs = 0
    for axis in (0, 1):
        both = np.minimum(mask.take(range(1, mask.shape[axis]), axis), mask.take(range(mask.shape[axis] - 1), axis))
        far = np.abs(np.diff(decision.astype(np.int64), axis=axis)) > 1
        jumps, pairs = jumps + int((far & both).sum()), pairs + int(both.sum())
    return jumps / pairs if pairs else float("nan")
