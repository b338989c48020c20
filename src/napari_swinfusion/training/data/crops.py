"""Crops to learn from: where there is detail, turned, flipped, lit otherwise, noisier, with planes left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_swinfusion.tiling import Box
from napari_swinfusion.training.data.regions import BLOCK, Region, mirrored, overlap

MOST_PLANES = 24
_BACKGROUND_SHARE = 0.25  # Of the crops are drawn anywhere: the empty background is most of a slide, and counts.
_DROP_SHARE = 0.5  # Of the crops lose planes, up to a third of them.
_NOISE_SHARE = 0.4  # Of the crops are made noisier.


@dataclass(frozen=True)
class OwnBatch:
    """Crops of own stacks.

    Attributes
    ----------
    planes
        `(b, n, h, w)`: grey of about [0, 1], with added noise: what the network sees.
    clean
        The same without the added noise.
    truth
        `(b, h, w)`: the sharp image; None without a reference.
    painted
        `(b, h, w)`: 0, or the right plane counted from 1; None where nothing is painted in the stack.
    noise
        `(b,)`: standard deviation of the camera's noise in `clean`.
    names
        Where each crop is from, for messages.
    """

    planes: Tensor
    clean: Tensor
    noise: Tensor
    truth: Tensor | None
    painted: Tensor | None
    names: tuple[str, ...] = ()

    def to(self, device: torch.device) -> OwnBatch:
        """Return the batch on `device`."""
        truth, painted = (None if part is None else part.to(device) for part in (self.truth, self.painted))
        whole = (self.planes.to(device), self.clean.to(device), self.noise.to(device))
        return OwnBatch(*whole, truth, painted, self.names)


class _Drawing(Protocol):
    def draw(self, generator: torch.Generator, n: int, size: int, planes_per_step: int) -> Any: ...


class OwnStacks:
    """Draws crops of up to `most` planes; all of a batch are from one region, larger regions are drawn more often."""

    def __init__(self, regions: Sequence[Region], *, most: int = MOST_PLANES) -> None:
        self._regions, self._most = list(regions), most
        areas = [region.box.height * region.box.width for region in regions]
        self._areas = torch.tensor(areas, dtype=torch.float64)
        self._blocks = [_Blocks(region) for region in regions]

    def draw(self, generator: torch.Generator, n: int, size: int, planes_per_step: int) -> OwnBatch:  # noqa: ARG002
        """Return crops; a stack brings its own number of planes, so `n` is not asked."""
        index = int(torch.multinomial(self._areas, 1, generator=generator))
        region, blocks = self._regions[index], self._blocks[index]
        chosen = _choose_planes(region.n_planes, self._most, generator)
        count = max(round(planes_per_step / len(chosen)), 1)
        crops = [_crop(region, blocks.draw(generator, size), chosen, generator) for _ in range(count)]
        planes, clean, gains, truth, painted, names = zip(*crops, strict=True)
        return OwnBatch(
            torch.stack(planes),
            torch.stack(clean),
            region.noise * torch.tensor(gains),
            None if region.truth is None else torch.stack(truth),
            None if region.painted is None else torch.stack(painted),
            tuple(names),
        )


class MixedStacks:
    """Draws a whole step from simulated stacks with the probability `share`, else from own ones."""

    def __init__(self, own: _Drawing, simulated: _Drawing, share: float) -> None:
        self._own, self._simulated, self._share = own, simulated, share

    def draw(self, generator: torch.Generator, n: int, size: int, planes_per_step: int) -> Any:
        """Return a batch of one of the two."""
        source = self._simulated if _chance(generator, self._share) else self._own
        return source.draw(generator, n, size, planes_per_step)


class _Blocks:
    """The blocks of a region, drawn by their detail."""

    def __init__(self, region: Region) -> None:
        box = region.box
        self._box = box
        self._rows = np.arange(box.y0 // BLOCK, -(-box.y1 // BLOCK))
        self._columns = np.arange(box.x0 // BLOCK, -(-box.x1 // BLOCK))
        detail = torch.from_numpy(region.detail[np.ix_(self._rows, self._columns)].astype(np.float64)).flatten()
        # The root, the mean gradient: energy itself would draw the same few edges again and again.
        share = detail.sqrt()
        even = torch.full_like(share, 1 / len(share))
        total = share.sum()
        focused = share / total if total > 0 else even
        self._shares = (1 - _BACKGROUND_SHARE) * focused + _BACKGROUND_SHARE * even

    def draw(self, generator: torch.Generator, size: int) -> Box:
        index = int(torch.multinomial(self._shares, 1, generator=generator))
        row, column = self._rows[index // len(self._columns)], self._columns[index % len(self._columns)]
        return Box(
            *_around(int(row) * BLOCK, self._box.y0, self._box.y1, size, generator),
            *_around(int(column) * BLOCK, self._box.x0, self._box.x1, size, generator),
        )


def _around(block: int, first: int, last: int, size: int, generator: torch.Generator) -> tuple[int, int]:
    """Return an interval of `size` px that holds part of a block and lies in [first, last), where it is long enough."""
    start = block - int(torch.randint(0, size, (), generator=generator)) + BLOCK // 2
    start = max(min(start, last - size), first)
    if last - first < size:
        start = first - (size - (last - first)) // 2
    return start, start + size


def _choose_planes(count: int, most: int, generator: torch.Generator) -> list[int]:
    chosen = np.arange(count)
    if count > most:
        chosen = np.linspace(0, count - 1, most).round().astype(int)
    if len(chosen) > 2 and _chance(generator, _DROP_SHARE):
        dropped = int(torch.randint(1, max(len(chosen) // 3, 1) + 1, (), generator=generator))
        order = torch.randperm(len(chosen), generator=generator)[dropped:]
        chosen = chosen[np.sort(order.numpy())]
    return [int(plane) for plane in chosen]


def _crop(
    region: Region, box: Box, chosen: list[int], generator: torch.Generator
) -> tuple[Tensor, Tensor, float, Tensor | None, Tensor | None, str]:
    clean = torch.from_numpy(np.ascontiguousarray(region.planes(box, chosen)))
    truth = None if region.truth is None else _cut(region.truth, box, region.box)
    painted = None if region.painted is None else _relabelled(_cut(region.painted, box, region.box), chosen)
    if _chance(generator, 0.5):
        clean = clean.flip(0)
        if painted is not None:
            painted = torch.where(painted > 0, len(chosen) + 1 - painted, 0)
    turns, mirror = int(torch.randint(0, 4, (), generator=generator)), _chance(generator, 0.5)

    def turned(image: Tensor) -> Tensor:
        image = torch.rot90(image, turns, (-2, -1))
        return (image.flip(-1) if mirror else image).contiguous()

    gain = float(torch.empty(()).uniform_(-0.3, 0.3, generator=generator).exp())
    offset = float(torch.empty(()).uniform_(-0.05, 0.05, generator=generator))
    clean = turned(clean) * gain + offset
    truth = None if truth is None else turned(truth) * gain + offset
    painted = None if painted is None else turned(painted)
    planes = clean
    if _chance(generator, _NOISE_SHARE):
        sigma = float(torch.empty(()).uniform_(-5.5, -3.0, generator=generator).exp())
        planes = clean + sigma * torch.randn(clean.shape, generator=generator)
    name = f"{region.name}, y {box.y0}-{box.y1}, x {box.x0}-{box.x1}, planes {chosen}"
    return planes, clean, gain, truth, painted, name


def _cut(image: NDArray[Any], box: Box, bounds: Box) -> Tensor:
    inside = overlap(box, bounds)
    return torch.from_numpy(np.ascontiguousarray(mirrored(image[inside.slices], box, inside)))


def _relabelled(painted: Tensor, chosen: list[int]) -> Tensor:
    """Return labels in the numbers of the chosen planes; those of planes left out become 0."""
    table = torch.zeros(max(int(painted.max()), max(chosen) + 1) + 1, dtype=torch.int64)
    for new, old in enumerate(chosen, start=1):
        table[old + 1] = new
    return table[painted.long()]


def _chance(generator: torch.Generator, probability: float) -> bool:
    return bool(torch.rand((), generator=generator) < probability)
