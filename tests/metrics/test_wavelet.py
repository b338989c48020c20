"""Q_M against a value worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from napari_swinfusion.errors import InputError
from napari_swinfusion.metrics.wavelet import q_m

# Stripes of 1 px, 2 grey levels high: Haar detail across x of (0 - 2 + 0 - 2) / 2 = -2 at the finest scale, none above.
STRIPES = np.tile([0.0, 2.0], (4, 2))
# Steps of 2 px, 1 grey level high: no detail at the finest scale, (0 - 2) · 2 / 2 = -2 at the coarser one.
STEPS = np.tile([0.0, 0.0, 1.0, 1.0], (4, 1))


def test_stripes_half_kept_by_hand() -> None:
    # Finer scale: across x exp(-|-2 + 1|), the two other directions 1; the coarser scale is kept whole.
    score = q_m(STRIPES / 2 + STEPS, np.stack([STRIPES + STEPS] * 2), data_range=255)
    assert score == pytest.approx(((math.exp(-1) + 2) / 3) ** (2 / 3))


def test_steps_lost_by_hand() -> None:
    score = q_m(STRIPES, np.stack([STRIPES + STEPS] * 3), data_range=255)
    assert score == pytest.approx(((math.exp(-2) + 2) / 3) ** (1 / 3))


def test_sources_weigh_by_their_energy() -> None:
    # Coefficients 2 and 6 (energies 4 and 36) at the finer scale; the image has the first and misses the second by 4.
    score = q_m(STRIPES + STEPS, np.stack([STRIPES + STEPS, 3 * STRIPES + STEPS]), data_range=255)
    assert score == pytest.approx(((4 * 1 + 36 * (math.exp(-4) + 2) / 3) / 40) ** (2 / 3))


def test_the_unit_is_that_of_the_range() -> None:
    sources = np.stack([STRIPES + STEPS] * 2)
    assert q_m(STRIPES * 100, sources * 100, data_range=25500) == pytest.approx(q_m(STRIPES, sources, data_range=255))


def test_what_is_not_defined_is_refused() -> None:
    with pytest.raises(InputError, match="detail"):
        q_m(STRIPES, np.zeros((2, 4, 4)), data_range=255)
    with pytest.raises(InputError, match="4 px"):
        q_m(STRIPES[:3], STRIPES[None, :3], data_range=255)
