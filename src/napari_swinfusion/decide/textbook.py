"""Rules that the field compares with, as published: they look at the whole image at once, and are in no menu.

"middle-plane" takes the plane halfway up. "tenengrad-guided" is the sharpest plane by gradient energy, its small
regions given to their neighbours and its borders refined by the guided filter (He, Sun and Tang, IEEE Trans. Pattern
Anal. Mach. Intell. 35, 2013), in the order of Qiu, Li, Zhang and Yuan (Signal Process. Image Commun. 72, 2019).
"dct-variance" is the block of most variance among its DCT coefficients, with consistency verification (Haghighat,
Aghagolzadeh and Seyedarabi, Comput. Electr. Eng. 37, 2011). The papers write two sources; all rules extend to n.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import label

from napari_swinfusion.decide.base import DeciderInfo, GreyPlanes, TileDecision
from napari_swinfusion.decide.filters import Array, gaussian_kernel, smooth
from napari_swinfusion.decide.measures import one_hot, sobel_energy
from napari_swinfusion.progress import CancelToken, Progress, ProgressCallback
from napari_swinfusion.tiling import Box

Index = NDArray[np.intp]

# Regions below this share of a pair's image are given to their neighbours; in a stack of n planes below 2 / n of it.
# This and the filter's window and regulariser are the best of 24 settings on simulated scenes that the benchmark does
# not use: what we compare with should be as good as it can be.
_SPECK = 0.003
_GUIDE_WINDOW = 17
_GUIDE_REGULARISER = 1e-2
_BLOCK = 8


@dataclass(frozen=True, kw_only=True)
class TextbookDecider:
    """A rule from planes `(n, h, w)` to the share of each, over the whole image."""

    info: DeciderInfo
    rule: Callable[[Array], Array]

    def decide(
        self,
        planes: GreyPlanes,
        *,
        progress: ProgressCallback | None = None,
        cancel: CancelToken | None = None,
    ) -> Iterator[TileDecision]:
        """Yield the one answer; see `Decider.decide`."""
        if cancel is not None:
            cancel.check()
        whole = Box(0, planes.height, 0, planes.width)
        yield TileDecision(box=whole, weights=self.rule(planes.grey(whole)))
        if progress is not None:
            progress(Progress(stage="decide", done=1, total=1))


def middle_plane(planes: Array) -> Array:
    """Give every pixel to the plane halfway up."""
    n, *size = planes.shape
    return one_hot(np.full(size, n // 2, dtype=np.intp), n)


def guided_tenengrad(planes: Array) -> Array:
    """Choose the plane of most gradient energy, without specks, its borders led by the image that this gives."""
    kernel = gaussian_kernel(2.5)
    margin = len(kernel) // 2 + 1
    sharpness = np.stack([smooth(sobel_energy(np.pad(plane, margin, mode="symmetric")), kernel) for plane in planes])
    chosen = without_specks(sharpness.argmax(axis=0), least=round(2 * _SPECK * planes[0].size / len(planes)))
    guide = np.take_along_axis(planes, chosen[None], axis=0)[0]
    shares = np.stack([guided_filter(share, guide) for share in one_hot(chosen, len(planes))]).clip(0, 1)
    shares /= shares.sum(axis=0)
    return shares


def without_specks(index: Index, least: int) -> Index:
    """Give connected regions of fewer than `least` px to the nearest larger region."""
    regions = np.asarray(label(index, background=-1, connectivity=1))  # type: ignore[no-untyped-call]
    small = (np.bincount(regions.ravel()) < least)[regions]
    if small.all():
        return index
    nearest = ndimage.distance_transform_edt(small, return_distances=False, return_indices=True)
    kept: Index = index[tuple(nearest)]
    return kept


def guided_filter(share: Array, guide: Array) -> Array:
    """Smooth `share` where `guide` is smooth: locally a line over the guide, as in equations 5 to 8 of the paper."""
    mean, mean_share = _mean(guide), _mean(share)
    slope = (_mean(guide * share) - mean * mean_share) / (_mean(guide * guide) - mean * mean + _GUIDE_REGULARISER)
    filtered: Array = _mean(slope) * guide + _mean(mean_share - slope * mean)
    return filtered


def _mean(image: NDArray[np.floating[Any]]) -> Array:
    return np.asarray(ndimage.uniform_filter(image, _GUIDE_WINDOW), dtype=np.float32)


def dct_variance(planes: Array) -> Array:
    """Choose each block of 8 × 8 px by its variance, then by the majority of 3 × 3 blocks.

    The energy of the DCT coefficients but the first is the variance of the block (Parseval), which is taken directly.
    """
    n, height, width = planes.shape
    whole = np.pad(planes, [(0, 0), (0, -height % _BLOCK), (0, -width % _BLOCK)], mode="symmetric")
    rows, columns = whole.shape[1] // _BLOCK, whole.shape[2] // _BLOCK
    blocks = whole.reshape(n, rows, _BLOCK, columns, _BLOCK)
    chosen = one_hot(blocks.var(axis=(2, 4)).argmax(axis=0), n)
    # Of equal numbers of neighbours the block's own choice stands.
    votes = ndimage.uniform_filter(chosen, (0, 3, 3), mode="nearest") * 9 + chosen / 2
    index = votes.argmax(axis=0).repeat(_BLOCK, axis=0).repeat(_BLOCK, axis=1)
    return one_hot(index[:height, :width], n)


TEXTBOOK = {
    info.name: TextbookDecider(info=info, rule=rule)
    for info, rule in (
        (DeciderInfo(name="middle-plane", summary="The plane halfway up, alone."), middle_plane),
        (
            DeciderInfo(
                name="tenengrad-guided",
                summary="Textbook tenengrad: the sharpest plane, small regions removed, refined by the guided filter.",
            ),
            guided_tenengrad,
        ),
        (
            DeciderInfo(
                name="dct-variance",
                summary="Textbook DCT: blocks of most variance, with consistency verification.",
            ),
            dct_variance,
        ),
    )
}
