"""How well the contrast that an eye would see arrives in the fused image."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from napari_swinfusion.metrics.checks import check_sources

_Map = NDArray[np.float64]

# Contrast sensitivity as a difference of Gaussians, frequencies in cycles per degree; masking; all as published.
_F0, _F1, _DIP = 15.387, 1.3456, 0.7622
_P, _Q, _Z = 3, 2, 1e-4
# The image fills this angle, in degrees, as in the code that most published values come from.
_ANGLE = 15.0


def q_cb(fused: NDArray[Any], sources: NDArray[Any]) -> float:
    """Perceptual contrast Q_CB (Chen and Blum, Image Vis. Comput. 27, 2009), for any number of sources.

    Images pass the contrast sensitivity of the eye; local contrast is C = |G_2 * I / G_4 * I - 1| with Gaussians of
    sigma 2 and 4 px, masked to C' = C³ / (C² + 0.0001). A source is kept by min(C'_s / C'_f, C'_f / C'_s), weighted
    by its share of the sum of C'²; the score is the mean over all pixels. The paper writes two sources, and the sum
    extends to n as it stands. Images are mirrored at their borders, and used as they are: a published code stretches
    each to the range 0 to 255 first, which hides a lost range.

    Higher is better; range 0 to 1 (a copy). Grey must be proportional to light: contrast is a quotient.

    Parameters
    ----------
    fused
        `(h, w)` grey, not negative.
    sources
        `(n, h, w)`, in any unit proportional to that of `fused`.

    Raises
    ------
    InputError
        If the shapes differ.
    """
    check_sources(fused, sources)
    image = _masked_contrast(fused)
    planes = np.stack([_masked_contrast(source) for source in sources])
    larger = np.maximum(planes, image)
    kept = np.divide(np.minimum(planes, image), larger, out=np.ones_like(larger), where=larger > 0)
    salience = planes**2 + np.finfo(np.float64).tiny
    return float(((salience * kept).sum(axis=0) / salience.sum(axis=0)).mean())


def _masked_contrast(image: NDArray[Any]) -> _Map:
    seen = _filtered(image.astype(np.float64))
    fine, coarse = (ndimage.gaussian_filter(seen, sigma, mode="reflect", truncate=15 / sigma) for sigma in (2.0, 4.0))
    dark = np.abs(coarse) <= 1e-12 * np.abs(seen).max()
    contrast = np.abs(np.divide(fine, coarse, out=np.ones_like(fine), where=~dark) - 1)
    return np.asarray(contrast**_P / (contrast**_Q + _Z))


def _filtered(image: _Map) -> _Map:
    """Return the image as the eye passes it on, by frequency."""
    height, width = image.shape
    degrees = [fft.fftfreq(height)[:, None] * height / _ANGLE, fft.rfftfreq(width)[None] * width / _ANGLE]
    frequency = np.hypot(*degrees)
    passed = np.exp(-((frequency / _F0) ** 2)) - _DIP * np.exp(-((frequency / _F1) ** 2))
    filtered: _Map = fft.irfft2(fft.rfft2(image) * passed, s=image.shape)
    return filtered
