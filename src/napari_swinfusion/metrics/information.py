"""Mutual information: how much of the grey levels of the sources can be told from the fused image."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_swinfusion.metrics.checks import check_sources

_LEVELS = 256


def mutual_information(fused: NDArray[Any], sources: NDArray[Any]) -> float:
    """Mutual information MI (Qu, Zhang and Yan, Electron. Lett. 38, 2002): the sum over the sources of I(s, f).

    Higher is better; range 0 to 16 bits. Two sources are as published; of n sources we take 2 / n times the sum, so
    that stacks of any length share one range; but at any place most planes of a stack are out of focus, and the sum
    then rewards blur: compare pairs with it. Histograms have 256 levels over the range of the sources, beyond which
    the fused image is clipped; those of small images tell too much, as of every estimate from histograms.

    Parameters
    ----------
    fused
        `(h, w)` grey.
    sources
        `(n, h, w)`, in the unit of `fused`.

    Raises
    ------
    InputError
        If the shapes differ.
    """
    return 2 * float(np.mean([shared for shared, _, _ in _entropies(fused, sources)]))


def normalised_mutual_information(fused: NDArray[Any], sources: NDArray[Any]) -> float:
    """Normalised mutual information Q_MI (Hossny, Nahavandi and Creighton, Electron. Lett. 44, 2008).

    2 · (I(a, f) / (H(a) + H(f)) + I(b, f) / (H(b) + H(f))): the entropies H undo that a source rich in grey levels
    counts for more. Of n sources we take 4 / n times the sum, so that stacks of any length share one range;
    as for `mutual_information`, compare pairs with it.

    Higher is better; range 0 to 2 (all sources equal the fused image). Histograms as in `mutual_information`.

    Parameters
    ----------
    fused
        `(h, w)` grey.
    sources
        `(n, h, w)`, in the unit of `fused`.

    Raises
    ------
    InputError
        If the shapes differ.
    """
    shares = [shared / (of_s + of_f) if of_s + of_f else 1 / 2 for shared, of_s, of_f in _entropies(fused, sources)]
    return 4 * float(np.mean(shares))


def _entropies(fused: NDArray[Any], sources: NDArray[Any]) -> list[tuple[float, float, float]]:
    """Return I(s, f), H(s) and H(f), bits, for each source s."""
    check_sources(fused, sources)
    low, high = float(sources.min()), float(sources.max())
    image = _levels(fused, low, high)
    found = []
    for source in sources:
        joint = np.bincount(_levels(source, low, high) * _LEVELS + image, minlength=_LEVELS**2)
        both = joint.reshape(_LEVELS, _LEVELS) / fused.size
        of_source, of_fused = _entropy(both.sum(axis=1)), _entropy(both.sum(axis=0))
        found.append((max(of_source + of_fused - _entropy(both), 0.0), of_source, of_fused))
    return found


def _levels(image: NDArray[Any], low: float, high: float) -> NDArray[np.intp]:
    unit = (image.astype(np.float64).ravel() - low) / ((high - low) or 1)
    return (unit.clip(0, 1) * (_LEVELS - 1)).round().astype(np.intp)


def _entropy(shares: NDArray[np.float64]) -> float:
    there = shares[shares > 0]
    return float(-(there * np.log2(there)).sum())
