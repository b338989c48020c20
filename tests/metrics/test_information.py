"""Mutual information and its normalised form against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from napari_swinfusion.errors import InputError
from napari_swinfusion.metrics.information import mutual_information, normalised_mutual_information

# Four pixels: top and bottom differ in one, left and right in the other; the two share no information.
ROWS = np.array([[0, 0], [255, 255]])
COLUMNS = ROWS.T


def test_one_source_copied_by_hand() -> None:
    sources = np.stack([ROWS, COLUMNS])
    # I(rows, rows) = H = 1 bit, I(columns, rows) = 0; the sum is 1 bit, and 2 (1 / (1 + 1) + 0) = 1.
    assert mutual_information(ROWS, sources) == pytest.approx(1.0)
    assert normalised_mutual_information(ROWS, sources) == pytest.approx(1.0)


def test_both_told_in_part_by_hand() -> None:
    # One of four pixels differs: with p = 1/4, 3/4 for the image, I = H(f) - H(f | s) = 0.8113 - 0.5 = 0.3113 for both.
    fused = np.array([[0, 0], [0, 255]])
    shared = (0.25 * np.log2(4) + 0.75 * np.log2(4 / 3)) - 0.5
    assert mutual_information(fused, np.stack([ROWS, COLUMNS])) == pytest.approx(2 * shared)
    normalised = 4 * shared / (1 + shared + 0.5)
    assert normalised_mutual_information(fused, np.stack([ROWS, COLUMNS])) == pytest.approx(normalised)


def test_copies_of_a_source_leave_the_range_as_it_is(rng: np.random.Generator) -> None:
    image = rng.integers(0, 256, (64, 64), dtype=np.uint8)
    for n in (2, 3, 7):
        assert normalised_mutual_information(image, np.stack([image] * n)) == pytest.approx(2.0)
    assert normalised_mutual_information(ROWS * 0, np.stack([ROWS * 0] * 2)) == 2.0


def test_scale_and_offset_do_not_matter(rng: np.random.Generator) -> None:
    sources = rng.integers(0, 256, (2, 64, 64))
    fused = sources.max(axis=0)
    score = normalised_mutual_information(fused, sources)
    assert normalised_mutual_information(257.0 * fused + 9, 257.0 * sources + 9) == pytest.approx(score)


@pytest.mark.parametrize("metric", [mutual_information, normalised_mutual_information])
def test_shapes_are_checked(metric) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match="shape"):
        metric(ROWS, ROWS)
