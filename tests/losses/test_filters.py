from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from napari_swinfusion.losses.filters import blur, edge_strength, laplacian, laplacian_of_gaussian, sobel

IMAGE = torch.rand(3, 40, 50, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_sobel_and_laplacian_are_the_textbook_kernels() -> None:
    along_y, along_x = sobel(IMAGE)
    for k, image in enumerate(IMAGE.numpy()):
        np.testing.assert_allclose(along_y[k], ndimage.sobel(image, 0, mode="nearest"), atol=1e-12)
        np.testing.assert_allclose(along_x[k], ndimage.sobel(image, 1, mode="nearest"), atol=1e-12)
        np.testing.assert_allclose(laplacian(IMAGE)[k], ndimage.laplace(image, mode="nearest"), atol=1e-12)
    assert torch.equal(edge_strength(IMAGE), along_y.abs() + along_x.abs())


def test_blur_is_scipys_gaussian() -> None:
    expected = ndimage.gaussian_filter(IMAGE[0].numpy(), 2.0, mode="nearest", truncate=3.0)
    np.testing.assert_allclose(blur(IMAGE, 2.0)[0], expected, atol=1e-12)


def test_log_is_about_the_laplacian_of_the_blurred_image_and_blind_to_slopes() -> None:
    smooth = blur(IMAGE, 2.0)
    found = laplacian_of_gaussian(smooth, 1.5)[..., 8:-8, 8:-8]
    expected = laplacian(blur(smooth, 1.5))[..., 8:-8, 8:-8]
    # A sampled second derivative and a second difference are two readings of one.
    assert (found - expected).abs().max() < 0.15 * expected.abs().max()
    slope = torch.arange(40.0, dtype=torch.float64).expand(1, 40, 40)
    assert laplacian_of_gaussian(slope)[..., 5:-5, 5:-5].abs().max() == pytest.approx(0, abs=1e-12)


def test_images_smaller_than_a_kernel_are_filtered_too() -> None:
    assert blur(IMAGE[:, :3, :2], 8.0).shape == (3, 3, 2)
    assert blur(torch.full((1, 2, 2), 0.7), 8.0) == pytest.approx(torch.full((1, 2, 2), 0.7))
