"""A trained network as a decider: tiles, device and memory, by the facts the network declares.

The padded image is cut on the network's grid with a halo of at least its reach, and tiles are cropped: every tiling
gives the same answer, so running out of memory costs time and nothing else. A network that sees the whole image at once
has no such halo: it gets the whole image where that fits the memory, and else tiles, and a notice says so.
"""

from __future__ import annotations

import time as clock
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from napari_swinfusion.decide.base import DeciderInfo, GreyPlanes, TileDecision
from napari_swinfusion.decide.depth import depth_from_focus
from napari_swinfusion.decide.device import choose_device, is_out_of_memory, memory_budget, release_memory
from napari_swinfusion.decide.guards import NoiseFloor, noise_floor
from napari_swinfusion.decide.painted import MARGIN, likeness_shares
from napari_swinfusion.errors import InputError, ModelError, OutOfMemoryError
from napari_swinfusion.memory import keep_freed_bands
from napari_swinfusion.networks import FusionNetwork
from napari_swinfusion.progress import CancelToken, Progress, ProgressCallback
from napari_swinfusion.tiling import Box, Tile, halved, padded_size, plan_tiles, surround
from napari_swinfusion.weights import find_model, read_header, read_model, sha256_of

_FLOAT_BYTES = 4
# Off the CPU all planes pass at once; their features at full resolution then count too.
_BATCHED_VALUES = 96
# Halo, px, where no halo is enough because the network sees the whole image.
_UNBOUNDED_HALO = 64
# A single plane is decided on together with the pixels so far around.
_NEIGHBOURS = 1


class NetworkDecider:
    """Asks a fusion network, tile by tile.

    Parameters
    ----------
    model
        Name of a shipped network, path of a model file, or a network in eval mode.
    device
        "auto", "cpu", "cuda", "cuda:1", "mps"; what was chosen is `device`.
    tile
        Largest side of what is kept from one tile, px; None takes the largest that fits the memory.

    Raises
    ------
    ModelError
        If the model cannot be found or used.
    InputError
        If there is no such device.
    """

    def __init__(self, model: str | Path | FusionNetwork, *, device: str = "auto", tile: int | None = None) -> None:
        self.device, notice = choose_device(device)
        self._tile = tile
        if isinstance(model, FusionNetwork):
            self._network = model
            self.info = DeciderInfo(name=type(model).__name__, summary="a network in memory")
        else:
            path = find_model(model)
            self._network = read_model(path)
            summary = str(read_header(path)["story"].get("summary", "a fine-tuned network"))
            self.info = DeciderInfo(name=path.stem, summary=summary, sha256=sha256_of(path))
        facts = self._network.info
        if facts.upscale != 1:
            raise ModelError(
                f"'{self.info.name}' answers {facts.upscale} times larger than its input; it cannot decide."
            )
        self._paints = facts.output == "image"
        self.info = replace(
            self.info,
            device=str(self.device),
            notices=(notice,) if notice else (),
            value_preserving=not self._paints,
        )
        self._network = self._network.eval().to(self.device)

    def decide(
        self,
        planes: GreyPlanes,
        *,
        progress: ProgressCallback | None = None,
        cancel: CancelToken | None = None,
    ) -> Iterator[TileDecision]:
        """Yield the answer tile by tile; see `Decider`.

        Raises
        ------
        InputError
            If the network does not take that many planes.
        OutOfMemoryError
            If memory runs out and the tile cannot, or by the user's word may not, get smaller.
        """
        fewest, most = self._network.info.planes
        if planes.n_planes < fewest or (most is not None and planes.n_planes > most):
            takes = str(fewest) if fewest == most else f"{fewest} to {most or 'any number of'}"
            raise InputError(
                f"'{self.info.name}' takes {takes} planes, not {planes.n_planes}"
                " (those that are left out do not count)."
            )
        if self.device.type == "cpu":
            keep_freed_bands()
        floor = noise_floor(planes) if self._paints else None
        work = self._first_tiles(planes)
        report = _Report(progress, cancel, planes.height * planes.width)
        largest = max(_area(tile.core) for tile in work)
        while work:
            tile = work.pop(0)
            if _area(tile.core) > largest:
                work[:0] = self._smaller(tile, planes)
                continue
            box = tile.core.clipped(planes.height, planes.width)
            failed = False
            try:
                answer = self._ask(tile, planes, floor, partial(report.within, box))
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                if self._tile is not None:
                    raise OutOfMemoryError(
                        f"A tile of {self._tile} px does not fit the memory of {self.device}; "
                        "choose a smaller tile, or leave the size to the program."
                    ) from error
                failed = True
            if failed:
                # Outside of the except block, where the traceback would keep the failed tile's memory alive.
                release_memory(self.device)
                parts = self._smaller(tile, planes)
                largest = max(_area(part.core) for part in parts)
                work[:0] = parts
                continue
            if box != Box(0, planes.height, 0, planes.width):
                self._notice_tiling()
            yield answer
            del answer
            report.finished(box)

    def _notice_tiling(self) -> None:
        notice = (
            f"'{self.info.name}' looks at the whole image at once, but it was fused in tiles, by its size or your "
            "choice; near the borders of tiles the result differs from that of the whole image."
        )
        if self._network.info.reach is None and notice not in self.info.notices:
            self.info = replace(self.info, notices=(*self.info.notices, notice))

    def _reach(self, planes: GreyPlanes) -> int:
        reach = self._network.info.reach_for(planes.n_planes)
        return (_UNBOUNDED_HALO if reach is None else reach) + (MARGIN if self._paints else _NEIGHBOURS)

    def _first_tiles(self, planes: GreyPlanes) -> list[Tile]:
        info = self._network.info
        height, width = planes.height, planes.width
        if self._tile is not None:
            return plan_tiles(height, width, core=self._tile, reach=self._reach(planes), multiple=info.size_multiple)
        values = info.values_for(planes.n_planes)
        if self.device.type != "cpu":
            values += _BATCHED_VALUES * planes.n_planes
        allowed = memory_budget(self.device) / (values * _FLOAT_BYTES)
        whole = Box(0, padded_size(height, info.size_multiple), 0, padded_size(width, info.size_multiple))
        tiles, waiting = [], [surround(whole, height, width, reach=self._reach(planes), multiple=info.size_multiple)]
        while waiting:
            tile = waiting.pop(0)
            fits = _area(tile.read) <= allowed or halved(tile.core, info.size_multiple) is None
            if fits:
                tiles.append(tile)
            else:
                waiting[:0] = self._smaller(tile, planes)
        return tiles

    def _smaller(self, tile: Tile, planes: GreyPlanes) -> list[Tile]:
        info = self._network.info
        halves = halved(tile.core, info.size_multiple)
        if halves is None:
            raise OutOfMemoryError(
                f"{planes.n_planes} planes do not fit the memory of {self.device}, however small the tile; "
                "choose the device cpu, or fuse fewer planes."
            )
        return [
            surround(core, planes.height, planes.width, reach=self._reach(planes), multiple=info.size_multiple)
            for core in halves
        ]

    def _ask(
        self, tile: Tile, planes: GreyPlanes, floor: NoiseFloor | None, watch: Callable[[float], None]
    ) -> TileDecision:
        grey = _read_padded(planes, tile.read)
        self._network.watch = watch
        try:
            # TF32 rounds to 10 bits; exactness across tilings asks for whole floats.
            with torch.inference_mode(), torch.backends.cudnn.flags(allow_tf32=False):
                fused = self._network(torch.from_numpy(grey).unsqueeze(0).to(self.device))
        finally:
            self._network.watch = None
        box = tile.core.clipped(planes.height, planes.width)
        # Copies, so that a tile that waits to be composed does not keep its halo in memory.
        keep = (..., *box.within(tile.read).slices)
        image = focus = depth = None
        if floor is not None:
            painted = fused.image[0].float().cpu().numpy()
            image = painted[keep].copy()
            weights = likeness_shares(painted, grey, tile, floor)[:, : box.height, : box.width]
        else:
            assert fused.weights is not None
            shares = fused.weights[0].float().cpu().numpy()
            told = None if fused.focus is None else fused.focus[0].float().cpu().numpy()
            weights = np.ascontiguousarray(shares[keep])
            focus = np.ascontiguousarray(_with_neighbours(shares, told)[keep])
            # The shares of the image hold what averages noise, too; the focus alone knows depth better.
            depth = None if told is None else depth_from_focus(told[keep])
        if not np.isfinite(weights).all():
            raise ModelError(f"'{self.info.name}' answered with values that are not finite; its file may be damaged.")
        return TileDecision(box=box, weights=weights, focus=focus, depth=depth, image=image)


class _Report:
    """Turns finished tiles and shares of tiles into progress, in thousandths of the image; checks for cancel."""

    def __init__(self, progress: ProgressCallback | None, cancel: CancelToken | None, area: int) -> None:
        self._progress, self._cancel, self._area = progress, cancel, area
        self._done = 0
        self._started = clock.perf_counter()

    def within(self, box: Box, share: float) -> None:
        if self._cancel is not None:
            self._cancel.check()
        self._tell(self._done + share * _area(box))

    def finished(self, box: Box) -> None:
        self._done += _area(box)
        self._tell(self._done)

    def _tell(self, done: float) -> None:
        if self._progress is not None:
            share = done / self._area
            seconds = clock.perf_counter() - self._started
            left = seconds / share * (1 - share) if share > 0 else None
            self._progress(Progress(stage="decide", done=int(1000 * share), total=1000, seconds_left=left))


def _with_neighbours(weights: NDArray[np.float32], focus: NDArray[np.float32] | None) -> NDArray[np.float32]:
    """Return the shares `(n, h, w)` that single planes are chosen by: those of weights and focus, meant over 3 × 3 px.

    Shares of the image say what a pixel is like, the focus how deep it lies; alone, each is wrong more often.
    """
    # 3 × 3 px are `_NEIGHBOURS` on each side. One buffer serves all planes: fresh ones cost more than the sums.
    around = np.empty((weights.shape[1] + 2, weights.shape[2] + 2), dtype=np.float32)
    result = np.empty_like(weights)
    for share, other, out in zip(weights, weights if focus is None else focus, result, strict=True):
        np.add(share, other, out=around[1:-1, 1:-1])
        around[0], around[-1] = around[1], around[-2]
        around[:, 0], around[:, -1] = around[:, 1], around[:, -2]
        rows = around[:-2] + around[1:-1]
        rows += around[2:]
        np.add(rows[:, :-2], rows[:, 1:-1], out=out)
        out += rows[:, 2:]
        out /= 18
    return result


def _area(box: Box) -> int:
    return box.height * box.width


def _read_padded(planes: GreyPlanes, box: Box) -> NDArray[np.float32]:
    # The whole image is padded once, by reflection where it is long enough: the mode hangs on the image, not the tile.
    inside = box.clipped(planes.height, planes.width)
    grey = planes.grey(inside)
    for axis, missing, length in ((1, box.y1 - inside.y1, planes.height), (2, box.x1 - inside.x1, planes.width)):
        if missing:
            pad = [(0, 0), (0, 0), (0, 0)]
            pad[axis] = (0, missing)
            grey = np.pad(grey, pad, mode="reflect" if missing < length else "edge")
    return np.ascontiguousarray(grey)
