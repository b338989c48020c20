"""AG, SF, EN and SD against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from napari_swinfusion.errors import InputError
from napari_swinfusion.metrics.activity import average_gradient, entropy, spatial_frequency, standard_deviation

# Rows step by 4 grey levels, columns by 3.
IMAGE = np.array([[0, 3, 6], [4, 7, 10], [8, 11, 14]], dtype=np.uint8)


def test_by_hand() -> None:
    assert average_gradient(IMAGE, data_range=255) == pytest.approx(np.sqrt((9 + 16) / 2))
    # Six differences each way, over nine pixels.
    assert spatial_frequency(IMAGE, data_range=255) == pytest.approx(np.sqrt((6 * 9 + 6 * 16) / 9))
    assert entropy(IMAGE, data_range=255) == pytest.approx(np.log2(9))
    # Variances of 0, 3, 6 and of 0, 4, 8 add up: 6 + 32 / 3.
    assert standard_deviation(IMAGE, data_range=255) == pytest.approx(np.sqrt(6 + 32 / 3))


@pytest.mark.parametrize("metric", [average_gradient, spatial_frequency, entropy, standard_deviation])
def test_scores_are_in_grey_levels_of_8_bits(metric) -> None:  # type: ignore[no-untyped-def]
    assert metric(IMAGE.astype(np.uint16) * 257, data_range=65535) == pytest.approx(metric(IMAGE, data_range=255))
    assert metric(np.full((4, 4), 7), data_range=255) == 0
    with pytest.raises(InputError, match="2 px"):
        metric(IMAGE[:1], data_range=255)
    with pytest.raises(InputError, match="range"):
        metric(IMAGE, data_range=0)


def test_entropy_of_all_levels_is_eight_bits() -> None:
    assert entropy(np.arange(256).reshape(16, 16), data_range=255) == 8.0
    assert entropy(np.array([[0, 300], [255, 400]]), data_range=255) == pytest.approx(0.25 * 2 + 0.75 * np.log2(4 / 3))
