"""Every registered metric keeps the promises of its entry."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_swinfusion.metrics.registry import METRICS, MetricInfo


def score(metric: MetricInfo, blur: float) -> float:
    """Score a fused image, or decision map, that is off by `blur`."""
    rng = np.random.default_rng(0)
    truth = ndimage.gaussian_filter(rng.normal(size=(48, 64)), 1.0)
    fused = ndimage.gaussian_filter(truth, blur) if blur else truth
    if metric.needs == "truth":
        return metric.function(fused, truth, data_range=1.0)
    if metric.needs == "sources":
        return metric.function(fused, np.stack([truth, truth]))
    depth = np.broadcast_to(np.arange(64) / 8.0, (48, 64))
    return metric.function(depth + blur, depth)


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_metric_gets_worse_in_the_promised_direction_and_stays_in_bounds(metric: MetricInfo) -> None:
    scores = [score(metric, blur) for blur in (0, 0.5, 1, 2, 4)]
    assert scores == sorted(scores, reverse=metric.higher_is_better)
    assert scores[0] != scores[-1]
    worst, best = metric.bounds
    assert all(min(worst, best) <= value <= max(worst, best) for value in scores)
    assert scores[0] == pytest.approx(best, abs=1e-3)


@pytest.mark.parametrize(("name", "metric"), METRICS.items())
def test_metric_says_what_it_is(name: str, metric: MetricInfo) -> None:
    assert metric.name == name
    assert metric.paper
    direction = "Higher is better" if metric.higher_is_better else "Lower is better"
    assert direction in (metric.function.__doc__ or "")
