"""`fuse` and `compose`: the corridor on one screen."""

from __future__ import annotations

import time as clock
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_swinfusion.decide.base import Decider
from napari_swinfusion.focal_stack import FusedImage
from napari_swinfusion.pipeline.results import Maps, assemble, compose_hard, join, new_maps, provenance_of
from napari_swinfusion.pipeline.sources import (
    Source,
    as_decider,
    as_stack,
    channel_jobs,
    check_decision,
    check_options,
)
from napari_swinfusion.pipeline.tiles import Blend, Options, Prefer, Reporter, TileCallback, Watch, fuse_round
from napari_swinfusion.prepare import PreparedStack, Register, prepare
from napari_swinfusion.progress import CancelToken, Progress, ProgressCallback


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
    """Fuse a focal stack into one all-in-focus image, with maps of decision, confidence and depth.

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
    check_options(blend, prefer, prompt, tile)
    source = as_stack(stack, axes)
    decider = as_decider(model, device, tile)
    options = Options(blend=blend, prefer=prefer, keep_weights=keep_weights)
    jobs = channel_jobs(source, decide_on)
    watch = Watch(
        reporter=Reporter(progress, rounds=source.n_times * len(jobs)), cancel=cancel or CancelToken(), on_tile=on_tile
    )
    results: list[Maps] = []
    prepared: list[PreparedStack] = []
    for time in range(source.n_times):
        channels = []
        for part, channel, decides in jobs:
            watch.cancel.check()
            watch.reporter(Progress(stage="prepare", done=0, total=1))
            ready = prepare(part, time, register=register, match_illumination=match_illumination, decide_on=decides)
            channels.append(fuse_round(ready, decider, options, watch, channel))
            prepared.append(ready)
            watch.reporter.next_round()
        results.append(join(channels))
    parameters = {
        "register": register,
        "match_illumination": match_illumination,
        "blend": blend,
        "prefer": prefer,
        "decide_on": decide_on,
        "tile": tile,
    }
    provenance = {
        **provenance_of(source, prepared, parameters),
        "model": {
            "name": decider.info.name,
            "sha256": decider.info.sha256,
            "value_preserving": decider.info.value_preserving,
        },
        "device": decider.info.device,
        "seconds": round(clock.perf_counter() - started, 3),
    }
    return assemble(source, results, prepared, provenance, decider.info.notices)


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
    `match_illumination` as in the fusion the map comes from. The confidence is 1 everywhere, and the depth is the map:
    it is believed.

    Raises
    ------
    InputError
        If the map does not fit the stack or names a plane it does not have.
    """
    started = clock.perf_counter()
    source = as_stack(stack, axes)
    chosen = check_decision(source, np.asarray(decision))
    results, prepared = [], []
    for time in range(source.n_times):
        ready = prepare(source, time, register=register, match_illumination=match_illumination)
        maps = new_maps(ready, keep_weights=False)
        maps.decision[:], maps.confidence[:], maps.depth[:] = chosen[time], 1.0, chosen[time]
        compose_hard(ready, maps, CancelToken())
        results.append(maps)
        prepared.append(ready)
    provenance = {
        **provenance_of(source, prepared, {"register": register, "match_illumination": match_illumination}),
        "model": {"name": "given decision map", "sha256": None, "value_preserving": True},
        "device": "cpu",
        "seconds": round(clock.perf_counter() - started, 3),
    }
    return assemble(source, results, prepared, provenance)
