"""One time point: each answer of the decider becomes a finished tile at once, so that memory holds no float stack."""

from __future__ import annotations

import time as clock
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_swinfusion.composition import compose_decision, compose_painted, compose_weights, confidence_of
from napari_swinfusion.decide.base import Decider, TileDecision
from napari_swinfusion.decide.depth import depth_from_focus
from napari_swinfusion.errors import ModelError
from napari_swinfusion.pipeline.results import STRIP_VALUES, Maps, compose_hard, index_dtype, new_maps
from napari_swinfusion.prepare import PreparedStack, UsablePlanes
from napari_swinfusion.progress import CancelToken, Progress, ProgressCallback
from napari_swinfusion.tiling import Box

Blend = Literal["soft", "hard"]
Prefer = Literal["top", "bottom"]

# Below this confidence nothing is sure: nearly all planes share the pixel.
_UNSURE = 0.2
# Between two planes lies nothing to fill with: pixels are left to the likelier but where both are as good as equal.
_UNSURE_OF_TWO = 0.02


@dataclass(frozen=True, kw_only=True)
class FusedTile:
    """A finished part of the result, for a viewer that shows it growing.

    Attributes
    ----------
    time
        Index of the time point.
    box
        Where in the image it lies.
    image
        `(K, h, w)`, the input's dtype; K runs over channels, then colour samples.
    decision
        `(h, w)` plane index, before unsure pixels are filled from their neighbours.
    confidence
        float32 `(h, w)` in [0, 1].
    depth
        float32 `(h, w)`, planes and fractions of them, before unsure pixels are filled from their neighbours.
    weights
        float32 `(n, h, w)`, the share of each plane.
    channel
        The channel it holds with decide_on="each" (K counts that channel's samples only), else None.
    """

    time: int
    box: Box
    image: NDArray[Any]
    decision: NDArray[np.integer[Any]]
    confidence: NDArray[np.float32]
    depth: NDArray[np.float32]
    weights: NDArray[np.float32]
    channel: int | None = None


TileCallback = Callable[[FusedTile], None]


class Reporter:
    """Folds the progress of each round (a time point, or a channel of it) into that of the whole run."""

    def __init__(self, tell: ProgressCallback | None, *, rounds: int) -> None:
        self._tell, self._rounds, self._round = tell, rounds, 0
        self._started = clock.perf_counter()

    def __call__(self, report: Progress) -> None:
        """Tell where the whole run stands, from a report on the round."""
        if self._tell is None:
            return
        done, total = self._round * report.total + report.done, self._rounds * report.total
        seconds = clock.perf_counter() - self._started
        left = seconds / done * (total - done) if done else None
        self._tell(Progress(stage=report.stage, done=done, total=total, seconds_left=left))

    def next_round(self) -> None:
        """Count a round as finished."""
        self._round += 1


@dataclass(frozen=True, kw_only=True)
class Options:
    """How answers become an image; as in `fuse`."""

    blend: Blend
    prefer: Prefer | None
    keep_weights: bool


@dataclass(frozen=True, kw_only=True)
class Watch:
    """Who is told, and who may stop the work."""

    reporter: Reporter
    cancel: CancelToken
    on_tile: TileCallback | None


def fuse_round(ready: PreparedStack, decider: Decider, options: Options, watch: Watch, channel: int | None) -> Maps:
    """Decide and compose one time point, or one channel of it."""
    maps = new_maps(ready, keep_weights=options.keep_weights)
    seen = ready.usable()
    for answer in decider.decide(seen, progress=watch.reporter, cancel=watch.cancel):
        watch.cancel.check()
        for part in _strips(answer, ready.n_planes * ready.stack.n_values):
            tile = _fuse_tile(seen, part, decider, options)
            inside = (..., *tile.box.slices)
            maps.image[inside], maps.decision[inside] = tile.image, tile.decision
            maps.confidence[inside], maps.depth[inside] = tile.confidence, tile.depth
            if maps.weights is not None:
                maps.weights[inside] = tile.weights
            if watch.on_tile is not None:
                watch.on_tile(replace(tile, channel=channel))
        # These hold the shares of this tile, which would else lie beside those of the next while it is computed.
        del answer, part, tile
    watch.cancel.check()
    _fill_unsure(maps, seen)
    if options.blend == "hard":
        compose_hard(ready, maps, watch.cancel)
    return maps


def _fill_unsure(maps: Maps, seen: UsablePlanes) -> None:
    """Give pixels that are not sure the plane, and the depth, of sure neighbours, or all the same where none is."""
    from napari_swinfusion.decide.unsure import confident_pixels, fill_unsure, orderly_pixels

    # Counted among the planes that are seen: between two of them lies none that is left out.
    places = np.array(seen.planes, dtype=maps.decision.dtype)
    ranks = np.zeros(seen.whole.n_planes, dtype=places.dtype)
    ranks[places] = np.arange(seen.n_planes)
    chosen = ranks[maps.decision]
    sure = confident_pixels(maps.confidence, _UNSURE if seen.n_planes > 2 else _UNSURE_OF_TWO)
    if sure.any():
        orderly = orderly_pixels(chosen, maps.confidence, sure, n_planes=seen.n_planes)
        maps.decision = places[fill_unsure(chosen, maps.confidence, sure)]
        maps.depth = fill_unsure(maps.depth, maps.confidence, orderly)
    else:
        # Nothing to lean on: one plane for all, the one most pixels would have taken.
        maps.decision[:] = np.bincount(maps.decision.ravel()).argmax()
        maps.depth[:] = maps.decision


def _fuse_tile(seen: UsablePlanes, answer: TileDecision, decider: Decider, options: Options) -> FusedTile:
    ready = seen.whole
    valid = seen.valid(answer.box)
    weights = _shares(answer.weights, valid, decider.info.name)
    focus = weights if answer.focus is None else _shares(answer.focus, valid, decider.info.name)
    confidence = confidence_of(focus)
    if options.prefer is not None:
        from napari_swinfusion.decide.guards import prefer_in_answer

        weights, focus = prefer_in_answer(weights, focus, options.prefer)
        # The depth that was told may be that of another surface.
        answer = replace(answer, depth=None)
    chosen = focus.argmax(axis=0)
    depth = _depth(answer, focus, chosen, valid, decider.info.name)
    places: NDArray[np.integer[Any]] = np.array(seen.planes, dtype=index_dtype(ready.n_planes))
    decision = places[chosen]
    if len(places) < ready.n_planes:
        # Between two planes that are seen there may be some that are left out.
        depth = np.interp(depth, np.arange(len(places)), places).astype(np.float32)
    weights = seen.place(weights)
    raw = ready.raw(answer.box)
    if options.blend == "hard":
        image = compose_decision(raw, decision, ready.gains, ready.offsets)
    else:
        image = compose_weights(raw, weights, ready.gains, ready.offsets)
        if answer.image is not None:
            scale = ready.scale
            image = compose_painted(image, answer.image, share=scale.share, low=scale.low, span=scale.span)
    return FusedTile(
        time=ready.time,
        box=answer.box,
        image=image,
        decision=decision,
        confidence=confidence,
        depth=depth,
        weights=weights,
    )


def _depth(
    answer: TileDecision,
    focus: NDArray[np.float32],
    chosen: NDArray[np.integer[Any]],
    valid: NDArray[np.bool_] | None,
    model: str,
) -> NDArray[np.float32]:
    """Return the depth that was told, or that of the focus where none was or a plane has no measured value."""
    if answer.depth is None:
        return depth_from_focus(focus, chosen)
    _check_finite(answer.depth, model)
    if valid is None:
        return answer.depth
    return np.where(valid.all(axis=0), answer.depth, depth_from_focus(focus, chosen))


def _check_finite(values: NDArray[np.float32], model: str) -> None:
    if not np.isfinite(values.sum(dtype=np.float64)):
        raise ModelError(f"The model '{model}' answered with values that are not finite; its weights may be damaged.")


def _shares(shares: NDArray[np.float32], valid: NDArray[np.bool_] | None, model: str) -> NDArray[np.float32]:
    """Return `shares` with nothing on planes that have no measured value at a pixel."""
    _check_finite(shares, model)
    if valid is None:
        return shares
    kept = np.where(valid, shares, 0)
    # Where all the weight lay on planes that do not count, those that do share it; where none counts, all do.
    kept = np.where(kept.sum(axis=0) > 0, kept, valid)
    kept = np.where(kept.sum(axis=0) > 0, kept, 1)
    return np.asarray(kept / kept.sum(axis=0), dtype=np.float32)


def _strips(answer: TileDecision, n_values: int) -> Iterator[TileDecision]:
    """Cut a large answer into strips of rows, so that reading `n_values` raw values a pixel takes bounded memory."""
    box = answer.box
    rows = max(STRIP_VALUES // (n_values * box.width), 1)
    for y0 in range(0, box.height, rows):
        y1 = min(y0 + rows, box.height)
        yield TileDecision(
            box=Box(box.y0 + y0, box.y0 + y1, box.x0, box.x1),
            weights=answer.weights[:, y0:y1],
            focus=None if answer.focus is None else answer.focus[:, y0:y1],
            depth=None if answer.depth is None else answer.depth[y0:y1],
            image=None if answer.image is None else answer.image[y0:y1],
        )
