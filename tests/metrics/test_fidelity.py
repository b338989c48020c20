"""VIFF against values worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_swinfusion.errors import InputError
from napari_swinfusion.metrics.fidelity import viff

CHEQUER = np.where(np.indices((96, 96)).sum(axis=0) % 2, 1.0, -1.0)


def finest(fused: NDArray[np.float64], sources: NDArray[np.float64]) -> float:
    """Return what the finest scale adds to the score.

    A chequerboard of 1 px is gone from the coarser scales, and so are all sums there: only 1 / 2.15 of the score can
    be worked out by hand. A ramp, equal in all images, is added to keep the coarser scales defined: they score 1.
    """
    ramp = np.add.outer(np.arange(96.0), np.arange(96.0)) / 96
    return viff(fused + ramp, sources + ramp, data_range=1) - 1.15 / 2.15


def test_half_the_contrast_by_hand() -> None:
    # g = 1/2 and v = 0: log(1 + 0.25 σ² / 0.005) / log(1 + σ² / 0.005), with σ² = 0.3² and that of the ramp under the
    # window of 17 px, 2 · 3.4² / 96², of which both have the whole.
    source, ramp = 0.3**2, 2 * (3.4 / 96) ** 2 * 0.965
    total = source + ramp
    covariance, of_fused = source / 2 + ramp, source / 4 + ramp
    gain = covariance / total
    noise = of_fused - gain * covariance
    expected = math.log(1 + gain**2 * total / (noise + 0.005)) / math.log(1 + total / 0.005)
    measured = finest(0.15 * CHEQUER, np.stack([0.3 * CHEQUER] * 2))
    assert measured * 2.15 == pytest.approx(expected, abs=5e-3)


def test_the_source_of_most_detail_counts() -> None:
    # The gain over the flat source is larger than over the chequered one, whatever the order and number of sources.
    sharp, flat = 0.3 * CHEQUER, 0.1 * CHEQUER
    alone = finest(0.2 * CHEQUER, np.stack([sharp, sharp]))
    assert finest(0.2 * CHEQUER, np.stack([flat, sharp])) == pytest.approx(alone)
    assert finest(0.2 * CHEQUER, np.stack([flat, sharp, flat, flat])) == pytest.approx(alone)


def test_more_contrast_than_the_sources_scores_above_one(rng: np.random.Generator) -> None:
    image = rng.random((64, 64))
    sources = np.stack([image, image])
    assert viff(image, sources, data_range=1) == pytest.approx(1.0)
    assert viff(2 * image, sources, data_range=1) > 1.2
    assert viff(-image, sources, data_range=1) == 0.0
    assert viff(255 * image, 255 * sources, data_range=255) == pytest.approx(1.0)


def test_what_is_not_defined_is_refused() -> None:
    with pytest.raises(InputError, match="41 px"):
        viff(np.zeros((40, 60)), np.zeros((2, 40, 60)), data_range=1)
    with pytest.raises(InputError, match="detail"):
        viff(np.zeros((41, 60)), np.zeros((2, 41, 60)), data_range=1)
