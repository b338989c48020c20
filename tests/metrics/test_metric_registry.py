"""Every registered metric keeps the promises of its entry."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from napari_swinfusion.metrics import METRICS, Evidence, MetricInfo

# A copy of its one source is not the best that these can reach: they depend on what the image holds.
CONTENT = {"mi", "scd", "en"}


def sharp_image() -> NDArray[np.float64]:
    rng = np.random.default_rng(0)
    texture = ndimage.gaussian_filter(rng.normal(size=(192, 200)), 1.0)
    return 0.5 + 0.1 * texture / texture.std()


def scene(blur: float, n_sources: int = 2, noise: float = 0.0) -> Evidence:
    """Return a fused image off by `blur`, its depth map by as many planes; each source is sharp in its own band."""
    truth = sharp_image()
    fused = ndimage.gaussian_filter(truth, blur) if blur else truth
    fused = fused + noise * np.random.default_rng(1).normal(size=truth.shape)
    soft = ndimage.gaussian_filter(truth, 3.0)
    band = np.arange(200) * n_sources // 200
    depth = np.broadcast_to(np.arange(200) / 8.0, truth.shape)
    return Evidence(
        fused=fused,
        data_range=1.0,
        sources=np.stack([np.where(band == k, truth, soft) for k in range(n_sources)]),
        truth=truth,
        depth=depth + blur,
        true_depth=depth,
    )


def measure(metric: MetricInfo, evidence: Evidence) -> float:
    score = metric.measure(evidence)
    assert score is not None
    return score


@pytest.mark.parametrize("n_sources", [2, 5])
@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_metric_gets_worse_with_blur_and_stays_in_bounds(metric: MetricInfo, n_sources: int) -> None:
    if metric.name == "psnr-flat":
        pytest.skip("this scene has detail everywhere")
    if metric.pairs_only and n_sources > 2:
        assert metric.measure(scene(0, n_sources)) is None
        return
    scores = [measure(metric, scene(blur, n_sources)) for blur in (0, 0.5, 1, 1.5)]
    assert scores == sorted(scores, reverse=metric.higher_is_better)
    assert scores[0] != scores[-1]
    worst, best = metric.bounds
    assert all(min(worst, best) <= value <= max(worst, best) for value in scores)


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_a_copy_reaches_the_best_value(metric: MetricInfo) -> None:
    if metric.name in CONTENT or metric.name == "psnr-flat" or metric.rewards_noise:
        pytest.skip("its best value depends on the content")
    truth = sharp_image()
    depth = np.zeros_like(truth)
    sources = np.stack([truth] * 2)
    copied = Evidence(fused=truth, data_range=1.0, sources=sources, truth=truth, depth=depth, true_depth=depth)
    best = 1.0 if metric.name == "viff" else metric.bounds[1]
    assert measure(metric, copied) == pytest.approx(best, abs=1e-3)


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_only_the_marked_metrics_rise_with_noise(metric: MetricInfo) -> None:
    if metric.needs == "depth" or metric.name == "psnr-flat":
        pytest.skip("it does not look at the image here")
    quiet, noisy = (measure(metric, scene(0, noise=noise)) for noise in (0.0, 0.1))
    assert (noisy > quiet) == metric.rewards_noise


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_order_of_the_sources_does_not_matter(metric: MetricInfo) -> None:
    if metric.needs != "sources":
        pytest.skip("it looks at no source")
    given = scene(0.5, n_sources=2 if metric.pairs_only else 3)
    assert given.sources is not None
    turned = Evidence(fused=given.fused, data_range=1.0, sources=given.sources[::-1])
    assert measure(metric, turned) == pytest.approx(measure(metric, given), rel=1e-9)


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_metric_tells_when_it_cannot_be_measured(metric: MetricInfo) -> None:
    bare = Evidence(fused=sharp_image(), data_range=1.0)
    assert (metric.measure(bare) is None) == (metric.needs != "image")


@pytest.mark.parametrize(("name", "metric"), METRICS.items())
def test_metric_says_what_it_is(name: str, metric: MetricInfo) -> None:
    assert metric.name == name
    assert metric.paper
    told = metric.function.__doc__ or ""
    assert ("Higher is better" if metric.higher_is_better else "Lower is better") in told
    assert ("noise is higher" in told) == metric.rewards_noise
