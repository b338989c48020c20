"""Q_CB against a value worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_swinfusion.errors import InputError
from napari_swinfusion.metrics.contrast import q_cb

SIDE, CYCLES = 240, 15


def waves(contrast: float) -> NDArray[np.float64]:
    """Return 15 cosine waves of 16 px over 240 px, mirrored into themselves at the border."""
    wave = np.cos(2 * np.pi * CYCLES * (np.arange(SIDE) + 0.5) / SIDE)
    return np.tile(1 + contrast * wave, (SIDE, 1))


def masked(contrast: float) -> NDArray[np.float64]:
    """Return C' along the waves, from the paper's formulas.

    15 cycles over 15 degrees are 1 cycle per degree; a Gaussian of sigma px passes exp(-2 (π sigma / 16)²).
    """
    passed = math.exp(-((1 / 15.387) ** 2)) - 0.7622 * math.exp(-((1 / 1.3456) ** 2))
    ground = 1 - 0.7622
    wave = contrast * passed / ground * np.cos(2 * np.pi * CYCLES * (np.arange(SIDE) + 0.5) / SIDE)
    fine, coarse = (1 + wave * math.exp(-2 * (math.pi * sigma / 16) ** 2) for sigma in (2, 4))
    seen = np.abs(fine / coarse - 1)
    return seen**3 / (seen**2 + 1e-4)


def test_waves_of_lower_contrast_by_hand() -> None:
    fused, first, second = masked(0.10), masked(0.20), masked(0.05)
    first_kept, second_kept = fused / first, second / fused
    expected = ((first**2 * first_kept + second**2 * second_kept) / (first**2 + second**2)).mean()
    measured = q_cb(waves(0.10), np.stack([waves(0.20), waves(0.05)]))
    assert measured == pytest.approx(expected, abs=2e-3)


def test_the_sum_over_more_sources_by_hand() -> None:
    fused, strong, weak = masked(0.10), masked(0.20), masked(0.05)
    kept = strong**2 * fused / strong + 2 * weak**2 * weak / fused
    expected = (kept / (strong**2 + 2 * weak**2)).mean()
    measured = q_cb(waves(0.10), np.stack([waves(0.05), waves(0.20), waves(0.05)]))
    assert measured == pytest.approx(expected, abs=2e-3)


def test_light_is_relative_and_darkness_no_contrast() -> None:
    sources = np.stack([waves(0.2), waves(0.05)])
    assert q_cb(500 * waves(0.1), 500 * sources) == pytest.approx(q_cb(waves(0.1), sources))
    black = np.zeros((2, 32, 32))
    assert q_cb(black[0], black) == 1.0


def test_shapes_are_checked() -> None:
    with pytest.raises(InputError, match="shape"):
        q_cb(waves(0.1), waves(0.1))
