"""From a fused image to its scores, and from the scores of many stacks to a line of a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_swinfusion.errors import InputError
from napari_swinfusion.evaluation.cases import Case
from napari_swinfusion.focal_stack import FusedImage
from napari_swinfusion.metrics import METRICS, Evidence, MetricInfo
from napari_swinfusion.prepare.intensity import luma

Scores = dict[str, float]


def score(result: FusedImage, case: Case, metrics: Iterable[MetricInfo] = tuple(METRICS.values())) -> Scores:
    """Return the scores of a fusion of `case`, by metric; those that cannot be measured here are left out.

    All is compared in grey: luminance of colours, mean of channels. The planes are brought under one lamp as the
    fusion did it; where the truth has a lamp of its own, both are brought under that.

    Raises
    ------
    InputError
        If the stack is a time series.
    """
    evidence = gather(result, case)
    found: Scores = {}
    for metric in metrics:
        try:
            value = metric.measure(evidence)
        except InputError:
            # Not defined on these images, as edges on a flat one: no score is no failure of the others.
            continue
        if value is not None:
            found[metric.name] = value
    return found


def gather(result: FusedImage, case: Case) -> Evidence:
    """Return what the metrics ask for, in grey and under the lamp of the truth."""
    stack = case.stack
    if stack.n_times > 1:
        raise InputError(f"'{stack.name}' is a time series; evaluate its time points one by one.")
    share = np.tile(luma(stack.size("S")), stack.size("C")) / stack.size("C")
    gains, offsets = (np.asarray(result.provenance[key][0]) for key in ("gains", "offsets"))
    light, dark = true_light(result, case)
    planes = stack.read(0).astype(np.float64) * gains[:, :, None, None] + offsets[:, :, None, None]
    fused = _values(result.image, result.axes)
    return Evidence(
        fused=np.tensordot(share, (fused - dark) / light, 1) + case.dark,
        data_range=case.data_range,
        sources=np.einsum("k,nkyx->nyx", share, (planes - dark) / light) + case.dark,
        truth=None if case.truth is None else np.tensordot(share, _values(case.truth, result.axes), 1),
        depth=result.depth if result.depth.ndim == 2 else None,
        true_depth=case.depth,
    )


def true_light(result: FusedImage, case: Case) -> tuple[float, float]:
    """Return gain and offset that the illumination match left between the fused image and the truth.

    The match brings all planes to one of them, whose lamp is not the truth's. The factor is known where the lamp is,
    equal for all methods that used the same match, and no merit of any: (image - offset) / gain + dark undoes it.
    """
    if case.lamp is None:
        return 1.0, case.dark
    used = np.ones(case.stack.n_planes, dtype=bool)
    used[result.provenance["left_out_planes"][0]] = False
    gains, offsets = (np.asarray(result.provenance[key][0]).mean(axis=1)[used] for key in ("gains", "offsets"))
    return float(np.mean(gains * np.asarray(case.lamp)[used])), float(np.mean(gains * case.dark + offsets))


def _values(image: NDArray[np.generic], axes: str) -> NDArray[np.float64]:
    """Return an image as `(K, h, w)`, K over channels and then samples."""
    values = np.asarray(image, dtype=np.float64)
    if "T" in axes:
        values, axes = np.take(values, 0, axes.index("T")), axes.replace("T", "")
    ordered = np.transpose(values, [axes.index(axis) for axis in "CSYX" if axis in axes])
    return ordered.reshape(-1, *ordered.shape[-2:])


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Mean, standard deviation and number of the scores that are defined."""

    mean: float
    sd: float
    n: int


def summarise(scores: Iterable[Mapping[str, float]]) -> dict[str, Summary]:
    """Return the summary of every metric over the scores of many stacks; infinite scores (a perfect copy) stay out."""
    columns: dict[str, list[float]] = {}
    for row in scores:
        for name, value in row.items():
            if np.isfinite(value):
                columns.setdefault(name, []).append(value)
    return {
        name: Summary(mean=float(np.mean(values)), sd=float(np.std(values)), n=len(values))
        for name, values in columns.items()
    }
