"""Edge transfer against a value worked out by hand, and what it must mean."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from napari_swinfusion.errors import InputError
from napari_swinfusion.metrics.registry import METRICS
from napari_swinfusion.metrics.transfer import qabf


def step(height: float) -> NDArray[np.float64]:
    """Black left, `height` right: Sobel strength 4 · height in the two middle columns, none elsewhere."""
    image = np.zeros((4, 4))
    image[:, 2:] = height
    return image


def kept(ratio: float, likeness: float) -> float:
    """What the published sigmoids give."""
    strength = 0.9994 / (1 + math.exp(-15 * (ratio - 0.5)))
    orientation = 0.9879 / (1 + math.exp(-22 * (likeness - 0.8)))
    return strength * orientation


def test_half_of_one_edge_by_hand() -> None:
    # Strengths 4 and 2, ratio 1/2, so 0.9994 / 2 · 0.9879 / (1 + e^-4.4) = 0.4876...; the flat source has no weight.
    score = qabf(step(0.5), np.stack([step(1.0), np.zeros((4, 4))]))
    assert score == pytest.approx(0.4997 * 0.9879 / (1 + math.exp(-4.4)))
    assert score == pytest.approx(0.48766, abs=1e-5)


def test_sources_are_weighted_by_their_edges() -> None:
    score = qabf(step(1.0), np.stack([step(1.0), step(3.0)]))
    assert score == pytest.approx((1 * kept(1, 1) + 3 * kept(1 / 3, 1)) / 4)


def test_a_turned_edge_is_lost() -> None:
    # The two edges cross in four pixels of the middle, at a right angle (likeness 0); elsewhere one has no strength.
    image, turned = step(1.0), step(1.0).T
    score = qabf(turned, np.stack([image, image]))
    assert score == pytest.approx((4 * kept(1, 0) + 4 * kept(0, 0.0)) / 8, abs=5e-4)


def test_falling_and_rising_edges_have_the_same_orientation() -> None:
    assert qabf(step(1.0), np.stack([step(-1.0)])) == pytest.approx(kept(1, 1))


def test_identical_sources_copied_reach_the_bound(rng: np.random.Generator) -> None:
    image = rng.random((40, 50))
    best = qabf(image, np.stack([image, image, image]))
    assert best == pytest.approx(kept(1, 1))
    assert METRICS["qabf"].bounds[1] == pytest.approx(best, abs=1e-3)


def test_scale_offset_and_order_do_not_matter(rng: np.random.Generator) -> None:
    sources = rng.random((4, 30, 31))
    fused = sources.mean(axis=0)
    score = qabf(fused, sources)
    assert qabf(255 * fused + 7, 255 * sources + 7) == pytest.approx(score)
    assert qabf(fused, sources[::-1]) == pytest.approx(score)
    assert qabf(fused.T, sources.transpose(0, 2, 1)) == pytest.approx(score)


def test_the_sharp_composite_beats_each_source_and_their_mean(rng: np.random.Generator) -> None:
    sharp = ndimage.gaussian_filter(rng.normal(size=(80, 100)), 1.0)
    blurred = ndimage.gaussian_filter(sharp, 3.0)
    left = np.arange(100) < 50
    sources = np.stack([np.where(left, sharp, blurred), np.where(left, blurred, sharp)])
    others = [*sources, sources.mean(axis=0), blurred]
    assert qabf(sharp, sources) > max(qabf(other, sources) for other in others) + 0.1


def test_shapes_and_flat_sources_are_refused() -> None:
    with pytest.raises(InputError, match="shape"):
        qabf(np.zeros((4, 4)), np.zeros((2, 4, 5)))
    with pytest.raises(InputError, match="edge"):
        qabf(step(1.0), np.ones((2, 4, 4)))
