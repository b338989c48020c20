"""PSNR, SSIM and depth error against values worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from napari_swinfusion.errors import InputError
from napari_swinfusion.metrics.depth import depth_error
from napari_swinfusion.metrics.reference import psnr, psnr_flat, psnr_textured, ssim, textured


def test_psnr_by_hand() -> None:
    truth = np.zeros((2, 2), dtype=np.uint16)
    image = np.array([[0, 0], [0, 20]], dtype=np.uint16)
    # Mean squared error 400 / 4 = 100; 10 log10(1000² / 100) = 40.
    assert psnr(image, truth, data_range=1000) == pytest.approx(40.0)
    assert psnr(truth, truth, data_range=1000) == math.inf


def test_psnr_of_unsigned_does_not_wrap() -> None:
    low, high = np.zeros((3, 3), dtype=np.uint8), np.full((3, 3), 255, dtype=np.uint8)
    assert psnr(low, high, data_range=255) == psnr(high, low, data_range=255) == 0.0


def test_psnr_under_a_mask_sees_only_its_pixels() -> None:
    truth, image = np.zeros((2, 2)), np.array([[0.1, 5.0], [5.0, 5.0]])
    assert psnr(image, truth, data_range=1, mask=np.array([[True, False], [False, False]])) == pytest.approx(20.0)


def test_ssim_of_equal_images_is_one_and_of_shifted_ones_follows_the_means() -> None:
    flat = np.full((16, 16), 0.5)
    assert ssim(flat, flat, data_range=1) == pytest.approx(1.0)
    # Without variance only the luminance term is left: (2ab + c) / (a² + b² + c) with c = 0.01².
    expected = (2 * 0.5 * 0.6 + 1e-4) / (0.25 + 0.36 + 1e-4)
    assert ssim(flat + 0.1, flat, data_range=1) == pytest.approx(expected, rel=1e-6)


def test_ssim_falls_with_noise_and_with_range(rng: np.random.Generator) -> None:
    truth = rng.random((40, 40))
    scores = [ssim(truth + level * rng.normal(size=truth.shape), truth, data_range=1) for level in (0.02, 0.1, 0.5)]
    assert scores == sorted(scores, reverse=True)
    noisy = truth + 0.1 * rng.normal(size=truth.shape)
    assert ssim(noisy * 100, truth * 100, data_range=100) == pytest.approx(ssim(noisy, truth, data_range=1))


def test_textured_finds_the_detail(rng: np.random.Generator) -> None:
    truth = np.full((60, 80), 100.0)
    truth[:, 40:] += 60 * rng.random((60, 40))
    mask = textured(truth, data_range=1000)
    assert mask[:, 44:].mean() > 0.95
    assert not mask[:, :30].any()


@pytest.mark.parametrize("metric", [psnr, ssim])
def test_reference_metrics_refuse_what_they_cannot_compare(metric) -> None:  # type: ignore[no-untyped-def]
    image = np.zeros((16, 16))
    with pytest.raises(InputError, match="differ in shape"):
        metric(image, np.zeros((16, 17)), data_range=1)
    with pytest.raises(InputError, match="range"):
        metric(image, image, data_range=0)
    with pytest.raises(InputError, match="mask"):
        metric(image, image, data_range=1, mask=np.zeros((16, 16), dtype=bool))
    with pytest.raises(TypeError):
        metric(image, image)


def test_depth_error_by_hand() -> None:
    decision = np.array([[0, 1], [2, 3]], dtype=np.uint8)
    depth = np.array([[0.5, 1.0], [4.0, np.nan]])
    assert depth_error(decision, depth) == pytest.approx(2.5 / 3)
    assert depth_error(decision, depth, mask=np.array([[True, True], [False, True]])) == pytest.approx(0.25)
    with pytest.raises(InputError):
        depth_error(decision, np.full((2, 2), np.nan))


def test_texture_and_flat_ground_are_told_apart(rng: np.random.Generator) -> None:
    truth = np.full((60, 80), 0.5)
    truth[:, 40:] += 0.3 * rng.random((60, 40))
    detail = textured(truth, data_range=1)
    error = np.where(detail, 0.01, 0.1)
    assert psnr_textured(truth + error, truth, data_range=1) == pytest.approx(40.0)
    assert psnr_flat(truth + error, truth, data_range=1) == pytest.approx(20.0)
    with pytest.raises(InputError, match="mask"):
        psnr_textured(truth[:, :20], truth[:, :20], data_range=1)
