"""How much happens in an image, wanted or not: noise and halos score as well as detail does.

Reported beside other metrics they tell what kind of image it is. None of them is a measure of quality on its own.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.measure import shannon_entropy

from napari_swinfusion.metrics.checks import check_range, check_side


def average_gradient(fused: NDArray[Any], *, data_range: float) -> float:
    """Average gradient AG (Cui et al., Opt. Commun. 341, 2015): mean of √((Δx² + Δy²) / 2) of neighbouring pixels.

    Higher is better, says the field, and noise is higher; range 0 up; grey levels of 8 bits per px.

    Parameters
    ----------
    fused
        `(h, w)` grey, at least 2 px each way.
    data_range
        Distance from black to white in the unit of `fused`.

    Raises
    ------
    InputError
        If the image is too small or the range is not positive.
    """
    image = _grey_levels(fused, data_range)
    along_x, along_y = np.diff(image, axis=1)[:-1], np.diff(image, axis=0)[:, :-1]
    return float(np.sqrt((along_x**2 + along_y**2) / 2).mean())


def spatial_frequency(fused: NDArray[Any], *, data_range: float) -> float:
    """Spatial frequency SF (Eskicioglu and Fisher, IEEE Trans. Commun. 43, 1995).

    √(Σ Δx² / hw + Σ Δy² / hw) over neighbouring pixels. Higher is better, says the field, and noise is higher; range 0
    up; grey levels of 8 bits per px.

    Parameters
    ----------
    fused
        `(h, w)` grey, at least 2 px each way.
    data_range
        Distance from black to white in the unit of `fused`.

    Raises
    ------
    InputError
        If the image is too small or the range is not positive.
    """
    image = _grey_levels(fused, data_range)
    squares = (np.diff(image, axis=1) ** 2).sum() + (np.diff(image, axis=0) ** 2).sum()
    return float(np.sqrt(squares / image.size))


def entropy(fused: NDArray[Any], *, data_range: float) -> float:
    """Entropy EN of the grey levels (Roberts, van Aardt and Ahmed, J. Appl. Remote Sens. 2, 2008), 8 bits.

    Higher is better, says the field, and noise is higher; range 0 to 8 bits. Values beyond the range are clipped.

    Parameters
    ----------
    fused
        `(h, w)` grey, at least 2 px each way.
    data_range
        Distance from black (0) to white in the unit of `fused`.

    Raises
    ------
    InputError
        If the image is too small or the range is not positive.
    """
    levels = _grey_levels(fused, data_range).round().clip(0, 255)
    return abs(float(shannon_entropy(levels)))  # type: ignore[no-untyped-call]


def standard_deviation(fused: NDArray[Any], *, data_range: float) -> float:
    """Deviation SD (standard) of the grey levels (Rao, Meas. Sci. Technol. 8, 1997).

    Higher is better, says the field, and noise is higher; range 0 up; grey levels of 8 bits.

    Parameters
    ----------
    fused
        `(h, w)` grey, at least 2 px each way.
    data_range
        Distance from black to white in the unit of `fused`.

    Raises
    ------
    InputError
        If the image is too small or the range is not positive.
    """
    return float(_grey_levels(fused, data_range).std())


def _grey_levels(fused: NDArray[Any], data_range: float) -> NDArray[np.float64]:
    check_range(data_range)
    check_side(fused, 2, "This metric")
    return np.asarray(fused.astype(np.float64) * (255 / data_range))
