"""An optional pass after fusion: a network restores the fused image, whose values are painted from then on."""

from __future__ import annotations

import time as clock
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_swinfusion.composition import to_dtype
from napari_swinfusion.decide.base import Decider
from napari_swinfusion.errors import ModelError
from napari_swinfusion.focal_stack import FusedImage
from napari_swinfusion.pipeline.sources import as_decider
from napari_swinfusion.pipeline.tiles import Reporter
from napari_swinfusion.progress import CancelToken, ProgressCallback
from napari_swinfusion.tiling import Box

# Grey levels as the networks see them in fusion: these percentiles become 0 and 1.
_PERCENTILES = (0.1, 99.9)


def restore(
    fused: FusedImage,
    model: str | Path | Decider,
    *,
    device: str = "auto",
    tile: int | None = None,
    progress: ProgressCallback | None = None,
    cancel: CancelToken | None = None,
) -> FusedImage:
    """Return `fused` with its image restored by a network, as painted values: none of them was measured.

    Use it for looking, not for measuring. No weights for it ship; it needs a file of your own, trained for the noise
    of your camera. Every time point, channel and colour sample is restored on its own; alpha, pixels that are not
    finite and the maps stay as they are.

    Parameters
    ----------
    model
        The weights file of a network that paints one image from one, such as a `Restormer` with `n_sources=1`.
    device, tile, progress, cancel
        As in `fuse`.

    Returns
    -------
    A new result of the same type and axes. Its provenance has a "restoration" with the model, marked
    `value_preserving: false`, and a notice says so.

    Raises
    ------
    ModelError
        If the model is unknown, damaged, or does not paint.
    InputError
        If it takes more than one image.
    CancelledError
        If `cancel` was set.
    """
    started = clock.perf_counter()
    decider = as_decider(model, device, tile)
    if decider.info.value_preserving:
        raise ModelError(
            f"'{decider.info.name}' chooses among planes; restoring needs a network that paints one image."
        )
    image = np.array(fused.image)
    shown = np.moveaxis(image, (fused.axes.index("Y"), fused.axes.index("X")), (-2, -1))
    places = [place for place in np.ndindex(shown.shape[:-2]) if not _is_alpha(fused, place)]
    reporter, token = Reporter(progress, rounds=len(places)), cancel or CancelToken()
    for place in places:
        shown[place] = _restored(shown[place], decider, reporter, token)
        reporter.next_round()
    name = decider.info.name
    notices = (
        *fused.notices,
        *decider.info.notices,
        f"'{name}' restored the fused image: its values are painted by a network, and none of them was measured.",
    )
    restoration = {
        "model": {"name": name, "sha256": decider.info.sha256, "value_preserving": False},
        "device": decider.info.device,
        "seconds": round(clock.perf_counter() - started, 3),
    }
    provenance = {**fused.provenance, "restoration": restoration, "notices": list(notices)}
    return replace(fused, image=image, provenance=provenance, notices=notices)


def _is_alpha(fused: FusedImage, place: tuple[int, ...]) -> bool:
    """Tell whether `place`, an index of all axes but Y and X, is the second or fourth colour sample."""
    if "S" not in fused.axes:
        return False
    samples = fused.image.shape[fused.axes.index("S")]
    return samples in (2, 4) and place[fused.axes.replace("Y", "").replace("X", "").index("S")] == samples - 1


def _restored(values: NDArray[Any], decider: Decider, reporter: Reporter, cancel: CancelToken) -> NDArray[Any]:
    raw = values.astype(np.float64)
    finite = np.isfinite(raw)
    if not finite.any():
        return values
    low, high = np.percentile(raw[finite], _PERCENTILES)
    span = max(high - low, np.finfo(np.float32).tiny)
    grey = np.where(finite, (raw - low) / span, 0).astype(np.float32)
    painted = np.empty(values.shape, dtype=np.float32)
    for answer in decider.decide(_OneImage(grey), progress=reporter, cancel=cancel):
        assert answer.image is not None
        painted[answer.box.slices] = answer.image
    restored = to_dtype(painted.astype(np.float64) * span + low, values.dtype)
    return np.where(finite, restored, values)


class _OneImage:
    """An image as the only plane of a stack."""

    n_planes = 1

    def __init__(self, grey: NDArray[np.float32]) -> None:
        self._grey = grey[None]
        self.height, self.width = grey.shape

    def grey(self, box: Box, plane: int | None = None) -> NDArray[np.float32]:
        """Return `(1, h, w)`; see `GreyPlanes.grey`."""
        part = self._grey[(..., *box.slices)]
        return part if plane is None else part[plane : plane + 1]
