"""The growing maps of a time point, and what they are assembled to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_swinfusion import __version__
from napari_swinfusion.composition import compose_decision
from napari_swinfusion.focal_stack import FocalStack, FusedImage
from napari_swinfusion.prepare import PreparedStack
from napari_swinfusion.progress import CancelToken
from napari_swinfusion.tiling import Box

# Raw values held at once, however large a tile the model answers for.
STRIP_VALUES = 1 << 23


@dataclass(kw_only=True)
class Maps:
    """The growing result of one time point, or of one channel of it."""

    image: NDArray[Any]
    decision: NDArray[Any]
    confidence: NDArray[np.float32]
    depth: NDArray[np.float32]
    weights: NDArray[np.float32] | None


def new_maps(ready: PreparedStack, *, keep_weights: bool) -> Maps:
    """Return empty maps for one time point."""
    shape = (ready.height, ready.width)
    return Maps(
        image=np.zeros((ready.stack.n_values, *shape), dtype=ready.stack.dtype),
        decision=np.zeros(shape, dtype=index_dtype(ready.n_planes)),
        confidence=np.zeros(shape, dtype=np.float32),
        depth=np.zeros(shape, dtype=np.float32),
        weights=np.zeros((ready.n_planes, *shape), dtype=np.float32) if keep_weights else None,
    )


def index_dtype(n_planes: int) -> type[np.uint8] | type[np.uint16]:
    """Return the smallest type that holds every plane index."""
    return np.uint8 if n_planes <= 256 else np.uint16


def compose_hard(ready: PreparedStack, maps: Maps, cancel: CancelToken) -> None:
    """Write each pixel of `maps.image` from the one plane that `maps.decision` names."""
    values = ready.n_planes * ready.stack.n_values
    rows = max(STRIP_VALUES // (values * ready.width), 1)
    for y0 in range(0, ready.height, rows):
        cancel.check()
        box = Box(y0, min(y0 + rows, ready.height), 0, ready.width)
        inside = (..., *box.slices)
        maps.image[inside] = compose_decision(ready.raw(box), maps.decision[inside], ready.gains, ready.offsets)


def join(maps: Sequence[Maps]) -> Maps:
    """Join the channels of one time point that were decided apart; the maps get a channel axis before Y."""
    if len(maps) == 1:
        return maps[0]
    kept = [part.weights for part in maps if part.weights is not None]
    return Maps(
        image=np.concatenate([part.image for part in maps]),
        decision=np.stack([part.decision for part in maps]),
        confidence=np.stack([part.confidence for part in maps]),
        depth=np.stack([part.depth for part in maps]),
        weights=np.stack(kept, axis=1) if kept else None,
    )


def assemble(
    stack: FocalStack,
    results: Sequence[Maps],
    prepared: Sequence[PreparedStack],
    provenance: dict[str, Any],
    further_notices: tuple[str, ...] = (),
) -> FusedImage:
    """Join the time points into the axes of the stack, with what is known about it and what was done."""
    drop = "ZS" if results[0].decision.ndim == 3 else "ZCS"
    weights = None
    if all(maps.weights is not None for maps in results):
        planes = [[maps.weights[i] for maps in results if maps.weights is not None] for i in range(stack.n_planes)]
        weights = np.stack([stack.assemble(per_time, drop=drop) for per_time in planes])
    told = dict.fromkeys(notice for ready in prepared for notice in ready.notices)
    notices = (*stack.notices, *told, *further_notices)
    return FusedImage(
        image=stack.assemble([maps.image for maps in results]),
        decision=stack.assemble([maps.decision for maps in results], drop=drop),
        confidence=stack.assemble([maps.confidence for maps in results], drop=drop),
        depth=stack.assemble([maps.depth for maps in results], drop=drop),
        weights=weights,
        provenance={**provenance, "notices": list(notices)},
        axes=stack.axes_without("Z"),
        decision_axes=stack.axes_without(drop),
        metadata=stack.metadata,
        name=stack.name,
        notices=notices,
    )


def provenance_of(stack: FocalStack, prepared: Sequence[PreparedStack], parameters: dict[str, Any]) -> dict[str, Any]:
    """Return what can be told of any run; lists of planes have one entry a time point (and channel decided apart)."""
    steps = [ready.provenance() for ready in prepared]
    return {
        "software": "napari-swinfusion",
        "version": __version__,
        "source": {
            "name": stack.name,
            "path": stack.source,
            "axes": stack.axes,
            "shape": [int(size) for size in stack.data.shape],
            "dtype": str(stack.dtype),
        },
        "parameters": parameters,
        **{key: [step[key] for step in steps] for key in steps[0]},
    }
