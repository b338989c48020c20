"""`evaluate`: fuse stacks with several models, and measure what came out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from napari_swinfusion import __version__
from napari_swinfusion.decide.base import Decider
from napari_swinfusion.errors import InputError
from napari_swinfusion.evaluation.cases import Case, find_cases, plain_case, read_case, simulated_case
from napari_swinfusion.evaluation.scoring import Scores, Summary, score, summarise
from napari_swinfusion.focal_stack import ArrayLike, FocalStack, FusedImage
from napari_swinfusion.metrics import METRICS, MetricInfo
from napari_swinfusion.pipeline import fuse
from napari_swinfusion.pipeline.sources import as_decider, as_stack
from napari_swinfusion.pipeline.tiles import Blend
from napari_swinfusion.progress import CancelToken, Progress, ProgressCallback
from napari_swinfusion.simulation import SimulatedStack

Model = str | Path | Decider
Datum = FocalStack | ArrayLike | SimulatedStack | Case | str | Path
OnResult = Callable[[str, Case, FusedImage], None]


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Scores of models on stacks.

    Attributes
    ----------
    scores
        By model and stack: the score of each metric that could be measured.
    models
        By model: name, file hash and whether it preserves values.
    data_range
        By stack: the distance from black to white that the scores refer to, grey levels.
    """

    scores: dict[str, dict[str, Scores]]
    models: dict[str, dict[str, Any]]
    data_range: dict[str, float]

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the metrics that were measured, in the order of the registry."""
        found = {name for stacks in self.scores.values() for row in stacks.values() for name in row}
        return tuple(name for name in METRICS if name in found)

    def summary(self) -> dict[str, dict[str, Summary]]:
        """Return mean, standard deviation and n by model and metric."""
        return {model: summarise(stacks.values()) for model, stacks in self.scores.items()}

    def as_json(self) -> dict[str, Any]:
        """Return all of it JSON-able, with what each metric is; scores that are infinite become None."""
        infos = [METRICS[name] for name in self.metrics]
        return {
            "software": "napari-swinfusion",
            "version": __version__,
            "models": self.models,
            "metrics": {info.name: _facts(info) for info in infos},
            "data_range": self.data_range,
            "summary": {
                model: {name: asdict(found) for name, found in row.items()} for model, row in self.summary().items()
            },
            "scores": {
                model: {
                    stack: {name: value if abs(value) != float("inf") else None for name, value in row.items()}
                    for stack, row in stacks.items()
                }
                for model, stacks in self.scores.items()
            },
        }


def evaluate(
    models: Model | Sequence[Model],
    data: Datum | Sequence[Datum],
    *,
    metrics: Sequence[str] | None = None,
    blend: Blend = "soft",
    device: str = "auto",
    on_result: OnResult | None = None,
    progress: ProgressCallback | None = None,
    cancel: CancelToken | None = None,
) -> Evaluation:
    """Fuse stacks with several models and measure the fused images, all under the same illumination match.

    Parameters
    ----------
    models
        One or several of what `fuse` takes as its model: names, weights files, deciders.
    data
        One or several of: a stack (an array too), a simulated stack with its truth, a TIFF, a folder of planes, a
        folder of stacks, a folder of pairs (`NAME-A`, `NAME-B`). Files `NAME.truth.*`, `NAME.height.*` and `NAME.json`
        beside a stack, as `swinfusion simulate` writes them, are its answer.
    metrics
        Names of `METRICS`; by default all that can be measured: those with truth need it, some need pairs.
    blend, device
        As in `fuse`.
    on_result
        Handed model name, case and fused image of every fusion, for example to draw a sheet.
    progress, cancel
        Told how many fusions are done; checked before each and within.

    Returns
    -------
    The scores; metrics that are marked as rewarding noise are no measure of quality on their own.

    Raises
    ------
    InputError
        If there is no model or no stack, or a metric is unknown.
    LoadError
        If a file cannot be read.
    ModelError
        If a model is unknown or damaged.
    """
    chosen = _metrics(metrics)
    deciders = _deciders(models, device)
    readers = list(_readers(data))
    if not deciders or not readers:
        raise InputError("There is nothing to evaluate; give at least one model and one stack.")
    scores: dict[str, dict[str, Scores]] = {name: {} for name in deciders}
    data_range: dict[str, float] = {}
    for number, read in enumerate(readers):
        case = read()
        name = _free(case.name, data_range)
        data_range[name] = case.data_range
        for done, (model, decider) in enumerate(deciders.items(), start=number * len(deciders)):
            if progress is not None:
                progress(Progress(stage="evaluate", done=done, total=len(readers) * len(deciders)))
            result = fuse(case.stack, model=decider, blend=blend, cancel=cancel)
            scores[model][name] = score(result, case, chosen)
            if on_result is not None:
                on_result(model, case, result)
    facts = {
        name: {"name": decider.info.name, "sha256": decider.info.sha256, "blend": blend}
        for name, decider in deciders.items()
    }
    return Evaluation(scores=scores, models=facts, data_range=data_range)


def _metrics(names: Sequence[str] | None) -> list[MetricInfo]:
    unknown = [name for name in names or () if name not in METRICS]
    if unknown:
        raise InputError(f"There is no metric '{unknown[0]}'; known are {', '.join(METRICS)}.")
    return [METRICS[name] for name in names or METRICS]


def _deciders(models: Model | Sequence[Model], device: str) -> dict[str, Decider]:
    deciders: dict[str, Decider] = {}
    for model in models if isinstance(models, Sequence) and not isinstance(models, str) else [models]:
        decider = as_decider(model, device, None)
        deciders[_free(decider.info.name, deciders)] = decider
    return deciders


def _free(name: str, taken: dict[str, Any]) -> str:
    """Return `name`, numbered where it is taken."""
    number = 2
    free = name
    while free in taken:
        free, number = f"{name} ({number})", number + 1
    return free


def _readers(data: Datum | Sequence[Datum]) -> Iterator[Callable[[], Case]]:
    """Yield one function a stack, so that memory holds one stack at a time."""
    for datum in data if isinstance(data, Sequence) and not isinstance(data, str) else [data]:
        if isinstance(datum, (str, Path)):
            path = Path(datum)
            yield from (partial(read_case, paths) for paths in (find_cases(path) if path.is_dir() else [[path]]))
        else:
            yield partial(_given, datum)


def _given(datum: FocalStack | ArrayLike | SimulatedStack | Case) -> Case:
    if isinstance(datum, Case):
        return datum
    return simulated_case(datum) if isinstance(datum, SimulatedStack) else plain_case(as_stack(datum))


def _facts(info: MetricInfo) -> dict[str, Any]:
    return {
        "higher_is_better": info.higher_is_better,
        "unit": info.unit,
        "rewards_noise": info.rewards_noise,
        "paper": info.paper,
    }
