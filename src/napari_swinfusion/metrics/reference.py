"""Distance from a known true image: PSNR and SSIM, over all pixels or a mask of them.

The range of the data is always asked for: guessed from the dtype or from the image it makes numbers that cannot be
compared.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.metrics import structural_similarity

from napari_swinfusion.errors import InputError
from napari_swinfusion.metrics.checks import check_range

Mask = NDArray[np.bool_]


def psnr(image: NDArray[Any], truth: NDArray[Any], *, data_range: float, mask: Mask | None = None) -> float:
    """Peak signal-to-noise ratio: 10 log10(data_range² / mean squared error).

    Higher is better; range up to infinity (equal images); dB.

    Parameters
    ----------
    image, truth
        Equally shaped.
    data_range
        Distance from black to white in the unit of the images.
    mask
        Pixels that count; all by default.

    Raises
    ------
    InputError
        If the shapes differ, the range is not positive or no pixel counts.
    """
    _check(image, truth, data_range, mask)
    error = (image.astype(np.float64) - truth.astype(np.float64)) ** 2
    mean = float(error.mean() if mask is None else error[mask].mean())
    return math.inf if mean == 0 else 10 * math.log10(data_range**2 / mean)


def psnr_textured(image: NDArray[Any], truth: NDArray[Any], *, data_range: float) -> float:
    """PSNR over the pixels where the truth has detail, as `textured` tells.

    Higher is better; range up to infinity (equal images); dB.

    Parameters
    ----------
    image, truth
        `(h, w)`, equally shaped.
    data_range
        Distance from black to white in the unit of the images.

    Raises
    ------
    InputError
        As for `psnr`, also if the truth has no detail.
    """
    return psnr(image, truth, data_range=data_range, mask=textured(truth, data_range=data_range))


def psnr_flat(image: NDArray[Any], truth: NDArray[Any], *, data_range: float) -> float:
    """PSNR over the pixels where the truth has no detail, as `textured` tells: what is left there is noise and seams.

    Higher is better; range up to infinity (equal images); dB.

    Parameters
    ----------
    image, truth
        `(h, w)`, equally shaped.
    data_range
        Distance from black to white in the unit of the images.

    Raises
    ------
    InputError
        As for `psnr`, also if the truth has detail everywhere.
    """
    return psnr(image, truth, data_range=data_range, mask=~textured(truth, data_range=data_range))


def ssim(image: NDArray[Any], truth: NDArray[Any], *, data_range: float, mask: Mask | None = None) -> float:
    """Structural similarity (Wang et al., IEEE Trans. Image Process. 13, 2004): Gaussian window of sigma 1.5 px.

    Higher is better; range -1 to 1 (equal images). The mean of the local values under `mask`.

    Parameters
    ----------
    image, truth
        `(h, w)`, at least 11 px each way.
    data_range
        Distance from black to white in the unit of the images.
    mask
        Pixels that count; all by default.

    Raises
    ------
    InputError
        If the shapes differ or are too small, the range is not positive or no pixel counts.
    """
    _check(image, truth, data_range, mask)
    if min(image.shape) < 11:
        raise InputError(f"SSIM looks at 11 × 11 px, but the images have {image.shape}.")
    _, local = structural_similarity(  # type: ignore[no-untyped-call]
        truth.astype(np.float64),
        image.astype(np.float64),
        data_range=data_range,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        full=True,
    )
    return float(local.mean() if mask is None else local[mask].mean())


def textured(truth: NDArray[Any], *, data_range: float, sigma: float = 2.0, contrast: float = 0.01) -> Mask:
    """Tell where a noise-free image has detail that a focus measure can see.

    Parameters
    ----------
    truth
        `(h, w)`.
    data_range
        Distance from black to white in the unit of `truth`.
    sigma
        Gaussian window of the local standard deviation, px.
    contrast
        Least local standard deviation, as a part of `data_range`.
    """
    image = truth.astype(np.float64) / data_range
    mean = ndimage.gaussian_filter(image, sigma)
    variance = ndimage.gaussian_filter((image - mean) ** 2, sigma)
    return np.asarray(variance > contrast**2)


def _check(image: NDArray[Any], truth: NDArray[Any], data_range: float, mask: Mask | None) -> None:
    if image.shape != truth.shape:
        raise InputError(f"The image {image.shape} and the truth {truth.shape} differ in shape.")
    check_range(data_range)
    if mask is not None and (mask.shape != image.shape or not mask.any()):
        raise InputError(f"The mask {mask.shape} must have the shape of the image {image.shape} and hold a pixel.")
