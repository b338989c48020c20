"""Q_Y against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from napari_swinfusion.errors import InputError
from napari_swinfusion.metrics.similarity import q_y

# A chequerboard of 1 px has the same mean and variance under every window, up to 1e-4 of the Gaussian's sum.
CHEQUER = np.where(np.indices((20, 24)).sum(axis=0) % 2, 1.0, -1.0)
GREY = 0.5


def similarity(one: float, two: float) -> float:
    """SSIM of chequerboards of these contrasts and one mean."""
    return 2 * one * two / (one**2 + two**2)


def test_alike_sources_are_weighted_by_variance() -> None:
    # Contrasts 0.2 and 0.3: SSIM 0.92 ≥ 0.75, so 4 : 9 of the similarities of 0.1 with each.
    sources = GREY + np.stack([0.2 * CHEQUER, 0.3 * CHEQUER])
    expected = (4 * similarity(0.1, 0.2) + 9 * similarity(0.1, 0.3)) / 13
    assert q_y(GREY + 0.1 * CHEQUER, sources, data_range=1) == pytest.approx(expected, abs=1e-3)


def test_of_unlike_sources_the_best_counts() -> None:
    # Contrasts 0.1 and 0.4: SSIM 0.47 < 0.75.
    sources = GREY + np.stack([0.1 * CHEQUER, 0.4 * CHEQUER])
    assert q_y(GREY + 0.3 * CHEQUER, sources, data_range=1) == pytest.approx(similarity(0.3, 0.4), abs=1e-3)


def test_one_unlike_source_of_three_is_enough() -> None:
    sources = GREY + np.stack([0.4 * CHEQUER, 0.1 * CHEQUER, 0.4 * CHEQUER])
    assert q_y(GREY + 0.3 * CHEQUER, sources, data_range=1) == pytest.approx(similarity(0.3, 0.4), abs=1e-3)


def test_flat_ground_of_16_bits_is_no_noise() -> None:
    flat = np.full((2, 20, 20), 30_001.0)
    assert q_y(flat[0], flat, data_range=32768) == pytest.approx(1.0)
    assert q_y(flat[0] + 300, flat, data_range=32768) == pytest.approx(1.0, abs=1e-3)


def test_images_smaller_than_the_window_are_refused() -> None:
    with pytest.raises(InputError, match="7 px"):
        q_y(np.zeros((6, 9)), np.zeros((2, 6, 9)), data_range=1)
