"""SCD against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from napari_swinfusion.errors import InputError
from napari_swinfusion.metrics.correlation import scd

ROWS = np.array([[-1.0, -1.0], [1.0, 1.0]])
COLUMNS = ROWS.T


def test_the_sum_of_two_unlike_sources_is_best() -> None:
    # f - b = a and f - a = b: both correlations are 1. Of the negative, r(-a - 2b, a) = -1 / √5, and the same for b.
    assert scd(ROWS + COLUMNS, np.stack([ROWS, COLUMNS])) == pytest.approx(2.0)
    assert scd(-ROWS - COLUMNS, np.stack([ROWS, COLUMNS])) == pytest.approx(-2 / np.sqrt(5))


def test_the_mean_of_two_unlike_sources_by_hand() -> None:
    # f - b = (a - b) / 2, and r(a - b, a) = 1 / √2 for sources that do not correlate; the same for b.
    assert scd((ROWS + COLUMNS) / 2, np.stack([ROWS, COLUMNS])) == pytest.approx(2 / np.sqrt(2))


def test_a_copy_of_one_source_adds_nothing_of_it_to_the_other() -> None:
    # f - a = 0 adds nothing; f - b = a - b correlates with a by 1 / √2.
    assert scd(ROWS, np.stack([ROWS, COLUMNS])) == pytest.approx(1 / np.sqrt(2))
    assert scd(ROWS, np.stack([ROWS, ROWS])) == 0.0


def test_of_more_sources_the_mean_of_the_others_is_taken_away() -> None:
    # f = a + b + c with c = ab, three images that do not correlate: r(a + (b + c) / 2, a) = 1 / √1.5 for each.
    sources = np.stack([ROWS, COLUMNS, ROWS * COLUMNS])
    assert scd(sources.sum(axis=0), sources) == pytest.approx(2 / np.sqrt(1.5))


def test_shapes_are_checked() -> None:
    with pytest.raises(InputError, match="shape"):
        scd(ROWS, ROWS)
