"""MS-SSIM against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from napari_swinfusion.errors import InputError
from napari_swinfusion.metrics.multi_scale import ms_ssim
from napari_swinfusion.metrics.reference import ssim


def test_a_shift_of_grey_counts_at_the_coarsest_scale_alone() -> None:
    flat = np.full((176, 180), 0.5)
    # Without variance contrast and structure are 1 at each scale; the luminance term has the published exponent 0.1333.
    luminance = (2 * 0.5 * 0.6 + 1e-4) / (0.25 + 0.36 + 1e-4)
    assert ms_ssim(flat + 0.1, flat, data_range=1) == pytest.approx(luminance**0.1333, rel=1e-9)


def test_lost_contrast_by_hand() -> None:
    # A chequerboard of 1 px at half its contrast: 2 σ₁σ₂ / (σ₁² + σ₂²) = 0.8 at the finest scale, where the windows'
    # variance is the pattern's own, a²; the coarser scales are flat and equal.
    pattern = np.where(np.indices((176, 176)).sum(axis=0) % 2, 0.2, -0.2)
    c2 = 0.03**2
    contrast = (2 * 0.2 * 0.1 + c2) / (0.04 + 0.01 + c2)
    measured = ms_ssim(0.5 + pattern / 2, 0.5 + pattern, data_range=1)
    assert measured == pytest.approx(contrast**0.0448, rel=1e-4)


def test_fine_noise_costs_less_than_in_ssim(rng: np.random.Generator) -> None:
    # The finest scale has the exponent 0.0448: Wang et al. found that viewers hardly mind.
    truth = np.kron(rng.random((12, 12)), np.ones((16, 16)))
    noisy = truth + 0.05 * rng.normal(size=truth.shape)
    assert ssim(noisy, truth, data_range=1) + 0.1 < ms_ssim(noisy, truth, data_range=1) < 1
    assert ms_ssim(1000 * noisy, 1000 * truth, data_range=1000) == pytest.approx(ms_ssim(noisy, truth, data_range=1))


def test_what_cannot_be_compared_is_refused() -> None:
    image = np.zeros((176, 176))
    with pytest.raises(InputError, match="176 px"):
        ms_ssim(image[1:], image[1:], data_range=1)
    with pytest.raises(InputError, match="differ in shape"):
        ms_ssim(image, image[1:], data_range=1)
    with pytest.raises(InputError, match="range"):
        ms_ssim(image, image, data_range=0)
