"""The corridor: prepare → decide → compose, for each time point; `fuse` and `compose` are the public verbs."""

from __future__ import annotations

import time as clock
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_swinfusion import __version__
from napari_swinfusion.composition import compose_decision, compose_painted, compose_weights, confidence_of
from napari_swinfusion.decide.base import Decider, TileDecision
from napari_swinfusion.errors import InputError, ModelError
from napari_swinfusion.focal_stack import ArrayLike, FocalStack, FusedImage
from napari_swinfusion.prepare import PreparedStack, Register, prepare
from napari_swinfusion.progress import CancelToken, Progress, ProgressCallback
from napari_swinfusion.tiling import Box

Blend = Literal["soft", "hard"]
Prefer = Literal["top", "bottom"]
Source = FocalStack | ArrayLike | str | Path | Sequence[Any]

# Below this confidence the decision is taken from confident neighbours: about half of the planes share the pixel.
_UNSURE = 0.5
# Raw values held at once, however large a tile the model answers for.
_STRIP_VALUES = 1 << 23


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
    weights: NDArray[np.float32]
    channel: int | None = None


TileCallback = Callable[[FusedTile], None]


@dataclass(frozen=True, kw_only=True)
class _Options:
    register: Register
    match_illumination: bool
    blend: Blend
    prefer: Prefer | None
    keep_weights: bool


@dataclass(kw_only=True)
class _Maps:
    """The growing result of one time point, or of one channel of it."""

    image: NDArray[Any]
    decision: NDArray[Any]
    confidence: NDArray[np.float32]
    weights: NDArray[np.float32] | None


@dataclass(frozen=True, kw_only=True)
class _Watch:
    """Who is told, and who may stop the work."""

    reporter: _Reporter
    cancel: CancelToken
    on_tile: TileCallback | None


def fuse(
    stack: Source,
    *,
    axes: str | None = None,
    model: str | Path | Decider = "default",
    device: str = "auto",
    register: Register = "off",
    match_illumination: bool = True,
    blend: Blend = "soft",
    prefer: Prefer | None = None,
    prompt: str | None = None,
    decide_on: int | str | None = None,
    tile: int | None = None,
    keep_weights: bool = False,
    progress: ProgressCallback | None = None,
    cancel: CancelToken | None = None,
    on_tile: TileCallback | None = None,
) -> FusedImage:
    """Fuse a focal stack into one all-in-focus image, a decision map and a confidence map.

    Parameters
    ----------
    stack
        A `FocalStack`, an array, a file or folder, or a list of planes (arrays or files).
    axes
        One letter of "TCZYXS" a dimension, where the source does not say.
    model
        A name of `list_models()`, a weights file, or a `Decider` of your own.
    device
        "auto" (CUDA, else MPS, else CPU), or a device to use.
    register
        "translation" moves the planes onto the middle one by whole pixels; "off" only measures.
    match_illumination
        Whether lamp drift and bleaching are matched by a gain and offset per plane, recorded in the provenance.
    blend
        "soft" is a weighted mean of the measured values, "hard" takes each pixel from one plane.
    prefer
        Where two separate planes are sharp, take the "top" (first) or "bottom" (last) one.
    prompt
        Reserved for models that take a text; none does yet.
    decide_on
        The channel (index or name) that decides for all; None for all together; "each" decides every channel on its
        own, and the maps then keep axis C.
    tile
        Side of a tile, px; None leaves it to the model.
    keep_weights
        Whether the result holds the share of every plane (n × float32 an image).
    progress, cancel, on_tile
        Told how far the work is; checked between tiles; handed each finished tile.

    Raises
    ------
    InputError
        If the stack or an option cannot be used; the message says why.
    ModelError
        If the model is unknown, damaged, or answers with values that are not finite.
    CancelledError
        If `cancel` was set; nothing is returned.
    """
    started = clock.perf_counter()
    _check_options(blend, prefer, prompt, tile)
    source = as_stack(stack, axes)
    decider = _as_decider(model, device, tile)
    options = _Options(
        register=register, match_illumination=match_illumination, blend=blend, prefer=prefer, keep_weights=keep_weights
    )
    jobs = _channel_jobs(source, decide_on)
    watch = _Watch(
        reporter=_Reporter(progress, rounds=source.n_times * len(jobs)), cancel=cancel or CancelToken(), on_tile=on_tile
    )
    results: list[_Maps] = []
    prepared: list[PreparedStack] = []
    for time in range(source.n_times):
        channels = []
        for part, channel, decides in jobs:
            watch.cancel.check()
            watch.reporter(Progress(stage="prepare", done=0, total=1))
            ready = prepare(part, time, register=register, match_illumination=match_illumination, decide_on=decides)
            channels.append(_fuse_round(ready, decider, options, watch, channel))
            prepared.append(ready)
            watch.reporter.next_round()
        results.append(_join(channels))
    parameters = {
        "register": register,
        "match_illumination": match_illumination,
        "blend": blend,
        "prefer": prefer,
        "decide_on": decide_on,
        "tile": tile,
    }
    provenance = {
        **_provenance(source, prepared, parameters),
        "model": {
            "name": decider.info.name,
            "sha256": decider.info.sha256,
            "value_preserving": decider.info.value_preserving,
        },
        "device": str(getattr(decider, "device", "cpu")),
        "seconds": round(clock.perf_counter() - started, 3),
    }
    return _assemble(source, results, prepared, provenance)


def compose(
    stack: Source,
    decision: NDArray[np.integer[Any]],
    *,
    axes: str | None = None,
    register: Register = "off",
    match_illumination: bool = True,
) -> FusedImage:
    """Fuse again from a decision map, for example an edited one: each pixel from the plane the map names.

    `decision` holds 0-based plane indices on the stack's axes without Z, C and S. Give `register` and
    `match_illumination` as in the fusion the map comes from. The confidence is 1 everywhere: the map is believed.

    Raises
    ------
    InputError
        If the map does not fit the stack or names a plane it does not have.
    """
    started = clock.perf_counter()
    source = as_stack(stack, axes)
    chosen = _check_decision(source, np.asarray(decision))
    results, prepared = [], []
    for time in range(source.n_times):
        ready = prepare(source, time, register=register, match_illumination=match_illumination)
        maps = _new_maps(ready, keep_weights=False)
        maps.decision[:], maps.confidence[:] = chosen[time], 1.0
        _compose_hard(ready, maps, CancelToken())
        results.append(maps)
        prepared.append(ready)
    provenance = {
        **_provenance(source, prepared, {"register": register, "match_illumination": match_illumination}),
        "model": {"name": "given decision map", "sha256": None, "value_preserving": True},
        "device": "cpu",
        "seconds": round(clock.perf_counter() - started, 3),
    }
    return _assemble(source, results, prepared, provenance)


def as_stack(source: Source, axes: str | None = None) -> FocalStack:
    """Return what was given as a `FocalStack` of at least two planes.

    Raises
    ------
    InputError
        If it has fewer than two planes, or its axes contradict `axes`.
    """
    stack = _to_stack(source, axes)
    if stack.n_planes < 2:
        raise InputError(
            f"'{stack.name}' has one plane, but fusion needs at least 2 planes; "
            "give a stack, a folder of planes or several files."
        )
    return stack


def _to_stack(source: Source, axes: str | None) -> FocalStack:
    if isinstance(source, FocalStack):
        return source if axes in (None, source.axes) else replace(source, axes=axes)
    if isinstance(source, (str, Path)):
        from napari_swinfusion.io import read_stack

        return read_stack(source, axes=axes)
    if isinstance(source, (list, tuple)):
        if source and all(isinstance(item, (str, Path)) for item in source):
            from napari_swinfusion.io import read_stack

            return read_stack(source, axes=axes)
        return FocalStack.from_planes([np.asarray(plane) for plane in source])
    if hasattr(source, "shape") and hasattr(source, "dtype"):
        return FocalStack.from_array(source, axes)
    raise InputError(f"A {type(source).__name__} cannot be fused; give an array, a path or a list of planes.")


def _check_options(blend: str, prefer: str | None, prompt: str | None, tile: int | None) -> None:
    if blend not in ("soft", "hard"):
        raise InputError(f"There is no blend {blend!r}; choose 'soft' or 'hard'.")
    if prefer not in (None, "top", "bottom"):
        raise InputError(f"There is no preference {prefer!r}; choose 'top', 'bottom' or None.")
    if prompt is not None:
        raise InputError("No shipped model takes a prompt yet; leave it out.")
    if tile is not None and tile < 1:
        raise InputError(f"A tile of {tile} px is too small; give at least 1, or leave it to the model.")


def _check_decision(stack: FocalStack, decision: NDArray[Any]) -> NDArray[Any]:
    """Return the map as `(T, Y, X)`, or raise `InputError`."""
    wanted = tuple(stack.size(axis) for axis in stack.axes_without("ZCS"))
    if decision.shape != wanted:
        raise InputError(
            f"The decision map has shape {decision.shape}, but '{stack.name}' needs {wanted} "
            f"(axes {stack.axes_without('ZCS')})."
        )
    if decision.dtype.kind not in "ui":
        raise InputError(f"A decision map holds plane indices, not {decision.dtype}.")
    if decision.min() < 0 or decision.max() >= stack.n_planes:
        raise InputError(
            f"The decision map names planes {decision.min()} to {decision.max()}, "
            f"but '{stack.name}' has planes 0 to {stack.n_planes - 1}."
        )
    spelled = stack.axes_without("ZCS")
    moved = decision.transpose([spelled.index(axis) for axis in "TYX" if axis in spelled])
    return moved if "T" in spelled else moved[None]


def _as_decider(model: str | Path | Decider, device: str, tile: int | None) -> Decider:
    if not isinstance(model, (str, Path)):
        return model
    from napari_swinfusion.decide.registry import make_decider

    return make_decider(model, device=device, tile=tile)


def _channel_jobs(
    stack: FocalStack, decide_on: int | str | None
) -> list[tuple[FocalStack, int | None, int | str | None]]:
    """Return what is decided on its own: one job, or with "each" one a channel, as (stack, channel, decide_on)."""
    if decide_on != "each" or stack.size("C") == 1:
        return [(stack, None, None if decide_on == "each" else decide_on)]
    return [(_channel_of(stack, channel), channel, None) for channel in range(stack.size("C"))]


def _channel_of(stack: FocalStack, channel: int) -> FocalStack:
    names = stack.metadata.channel_names[channel : channel + 1]
    return replace(stack, data=_OneChannel(stack, channel), metadata=replace(stack.metadata, channel_names=names))


class _OneChannel:
    """A channel of a stack as an array-like of the same axes, so that nothing is copied before it is read."""

    def __init__(self, stack: FocalStack, channel: int) -> None:
        self._data, self._axis = stack.data, stack.axes.index("C")
        self._channel = slice(channel, channel + 1)
        self.shape = tuple(1 if i == self._axis else size for i, size in enumerate(stack.data.shape))
        self.dtype = stack.data.dtype

    def __getitem__(self, index: Any) -> Any:
        return self._data[tuple(self._channel if i == self._axis else part for i, part in enumerate(index))]


def _fuse_round(ready: PreparedStack, decider: Decider, options: _Options, watch: _Watch, channel: int | None) -> _Maps:
    from napari_swinfusion.decide.guards import fill_decision

    maps = _new_maps(ready, keep_weights=options.keep_weights)
    for answer in decider.decide(ready, progress=watch.reporter, cancel=watch.cancel):
        watch.cancel.check()
        for part in _strips(answer, ready.stack.n_values):
            tile = _fuse_tile(ready, part, decider, options)
            inside = (..., *tile.box.slices)
            maps.image[inside], maps.decision[inside] = tile.image, tile.decision
            maps.confidence[inside] = tile.confidence
            if maps.weights is not None:
                maps.weights[inside] = tile.weights
            if watch.on_tile is not None:
                watch.on_tile(replace(tile, channel=channel))
    watch.cancel.check()
    maps.decision = fill_decision(maps.decision, maps.confidence, _UNSURE)
    if options.blend == "hard":
        _compose_hard(ready, maps, watch.cancel)
    return maps


def _fuse_tile(ready: PreparedStack, answer: TileDecision, decider: Decider, options: _Options) -> FusedTile:
    weights, focus = _usable_shares(ready, answer, decider.info.name)
    confidence = confidence_of(focus)
    if options.prefer is not None:
        from napari_swinfusion.decide.guards import prefer_plane

        weights, focus = prefer_plane(weights, options.prefer), prefer_plane(focus, options.prefer)
    decision = focus.argmax(axis=0).astype(_index_dtype(ready.n_planes))
    raw = ready.raw(answer.box)
    if options.blend == "hard":
        image = compose_decision(raw, decision, ready.gains, ready.offsets)
    else:
        image = compose_weights(raw, weights, ready.gains, ready.offsets)
        if answer.image is not None:
            scale = ready.scale
            image = compose_painted(image, answer.image, share=scale.share, low=scale.low, span=scale.span)
    return FusedTile(
        time=ready.time, box=answer.box, image=image, decision=decision, confidence=confidence, weights=weights
    )


def _usable_shares(
    ready: PreparedStack, answer: TileDecision, model: str
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return weights and focus with nothing on planes that have no measured value at a pixel."""
    valid = ready.valid(answer.box)
    weights = _shares(answer.weights, valid, model)
    return weights, weights if answer.focus is None else _shares(answer.focus, valid, model)


def _shares(shares: NDArray[np.float32], valid: NDArray[np.bool_] | None, model: str) -> NDArray[np.float32]:
    if not np.isfinite(shares.sum(dtype=np.float64)):
        raise ModelError(f"The model '{model}' answered with values that are not finite; its weights may be damaged.")
    if valid is None:
        return shares
    kept = np.where(valid, shares, 0)
    # Where all the weight lay on planes that do not count, those that do share it; where none counts, all do.
    kept = np.where(kept.sum(axis=0) > 0, kept, valid)
    kept = np.where(kept.sum(axis=0) > 0, kept, 1)
    return np.asarray(kept / kept.sum(axis=0), dtype=np.float32)


def _strips(answer: TileDecision, n_values: int) -> Iterator[TileDecision]:
    """Cut a large answer into strips of rows, so that reading raw planes for it takes bounded memory."""
    box = answer.box
    rows = max(_STRIP_VALUES // (len(answer.weights) * n_values * box.width), 1)
    for y0 in range(0, box.height, rows):
        y1 = min(y0 + rows, box.height)
        yield TileDecision(
            box=Box(box.y0 + y0, box.y0 + y1, box.x0, box.x1),
            weights=answer.weights[:, y0:y1],
            focus=None if answer.focus is None else answer.focus[:, y0:y1],
            image=None if answer.image is None else answer.image[y0:y1],
        )


def _compose_hard(ready: PreparedStack, maps: _Maps, cancel: CancelToken) -> None:
    values = ready.n_planes * ready.stack.n_values
    rows = max(_STRIP_VALUES // (values * ready.width), 1)
    for y0 in range(0, ready.height, rows):
        cancel.check()
        box = Box(y0, min(y0 + rows, ready.height), 0, ready.width)
        inside = (..., *box.slices)
        maps.image[inside] = compose_decision(ready.raw(box), maps.decision[inside], ready.gains, ready.offsets)


def _index_dtype(n_planes: int) -> type[np.uint8] | type[np.uint16]:
    return np.uint8 if n_planes <= 256 else np.uint16


def _new_maps(ready: PreparedStack, *, keep_weights: bool) -> _Maps:
    shape = (ready.height, ready.width)
    return _Maps(
        image=np.zeros((ready.stack.n_values, *shape), dtype=ready.stack.dtype),
        decision=np.zeros(shape, dtype=_index_dtype(ready.n_planes)),
        confidence=np.zeros(shape, dtype=np.float32),
        weights=np.zeros((ready.n_planes, *shape), dtype=np.float32) if keep_weights else None,
    )


def _join(maps: Sequence[_Maps]) -> _Maps:
    """Join the channels of one time point that were decided apart; the maps get a channel axis before Y."""
    if len(maps) == 1:
        return maps[0]
    kept = [part.weights for part in maps if part.weights is not None]
    return _Maps(
        image=np.concatenate([part.image for part in maps]),
        decision=np.stack([part.decision for part in maps]),
        confidence=np.stack([part.confidence for part in maps]),
        weights=np.stack(kept, axis=1) if kept else None,
    )


def _assemble(
    stack: FocalStack, results: Sequence[_Maps], prepared: Sequence[PreparedStack], provenance: dict[str, Any]
) -> FusedImage:
    drop = "ZS" if results[0].decision.ndim == 3 else "ZCS"
    weights = None
    if all(maps.weights is not None for maps in results):
        planes = [[maps.weights[i] for maps in results if maps.weights is not None] for i in range(stack.n_planes)]
        weights = np.stack([stack.assemble(per_time, drop=drop) for per_time in planes])
    notices = (*stack.notices, *dict.fromkeys(notice for ready in prepared for notice in ready.notices))
    return FusedImage(
        image=stack.assemble([maps.image for maps in results]),
        decision=stack.assemble([maps.decision for maps in results], drop=drop),
        confidence=stack.assemble([maps.confidence for maps in results], drop=drop),
        weights=weights,
        provenance={**provenance, "notices": list(notices)},
        axes=stack.axes_without("Z"),
        decision_axes=stack.axes_without(drop),
        metadata=stack.metadata,
        name=stack.name,
        notices=notices,
    )


def _provenance(stack: FocalStack, prepared: Sequence[PreparedStack], parameters: dict[str, Any]) -> dict[str, Any]:
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


class _Reporter:
    """Folds the progress of each round (a time point, or a channel of it) into that of the whole run."""

    def __init__(self, tell: ProgressCallback | None, *, rounds: int) -> None:
        self._tell, self._rounds, self._round = tell, rounds, 0
        self._started = clock.perf_counter()

    def __call__(self, report: Progress) -> None:
        if self._tell is None:
            return
        done, total = self._round * report.total + report.done, self._rounds * report.total
        seconds = clock.perf_counter() - self._started
        left = seconds / done * (total - done) if done else None
        self._tell(Progress(stage=report.stage, done=done, total=total, seconds_left=left))

    def next_round(self) -> None:
        self._round += 1
