"""The part of an example that a network learns from or is judged on, as grey planes like those it fuses."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_swinfusion.focal_stack import FocalStack
from napari_swinfusion.prepare import PreparedStack, prepare
from napari_swinfusion.prepare.intensity import luma
from napari_swinfusion.prepare.prepared import Register
from napari_swinfusion.tiling import Box
from napari_swinfusion.training.data.cameras import CameraTraits, traits_of
from napari_swinfusion.training.data.examples import Example

BLOCK = 16
"""Side of the squares in which detail is measured, px."""

_SMOOTHING = 1.0  # Standard deviation of the Gaussian before gradients, px: single noisy pixels are no detail.
_TEXTURE_BLUR = 0.7  # Px.
_LOW_PASS = 12.0  # Of that which brings a reference to the grey of the planes, px: beyond most defocus.


@dataclass(frozen=True, kw_only=True)
class Region:
    """A box of one time point.

    Attributes
    ----------
    name
        Of the stack, with the time point where there are several.
    ready
        Its planes, with gains and grey scale of the whole time point.
    box
        What may be used.
    detail
        `(ceil(h / 16), ceil(w / 16))`: the strongest mean squared gradient of any plane in each block of the image.
    noise
        Standard deviation of the camera's noise in the grey of the planes.
    camera
        What else their noise tells of the camera.
    truth
        float32 `(h, w)` of the whole image in the grey of the planes; None without a reference.
    painted
        int16 `(h, w)` of the whole image, 0 or plane from 1; None where nothing is painted.
    hashes
        SHA-256 of each plane's raw values, also of those left out.

    Planes are counted as a decider counts them: those that are left out have no number.
    """

    name: str
    ready: PreparedStack
    box: Box
    detail: NDArray[np.float32]
    noise: float
    camera: CameraTraits
    truth: NDArray[np.float32] | None
    painted: NDArray[np.int16] | None
    hashes: tuple[str, ...]

    @property
    def n_planes(self) -> int:
        """Number of focal planes."""
        return self.ready.usable().n_planes

    def within(self, box: Box) -> Region:
        """Return the same planes with another box."""
        return replace(self, box=box)

    def detail_within(self, box: Box) -> float:
        """Return the mean detail of a box."""
        rows = slice(box.y0 // BLOCK, max(-(-box.y1 // BLOCK), box.y0 // BLOCK + 1))
        columns = slice(box.x0 // BLOCK, max(-(-box.x1 // BLOCK), box.x0 // BLOCK + 1))
        return float(self.detail[rows, columns].mean())

    def planes(self, box: Box, chosen: Sequence[int] | None = None) -> NDArray[np.float32]:
        """Return `(n, h, w)` grey of a box that may reach beyond the region, where it is mirrored."""
        inside = overlap(box, self.box)
        usable = self.ready.usable().planes
        planes = usable if chosen is None else [usable[plane] for plane in chosen]
        return mirrored(self.ready.grey_of(planes, inside), box, inside)


def look(example: Example, *, register: Register = "off") -> list[Region]:
    """Read each plane of an example, and return one region of the whole image for each time point."""
    regions = []
    stack = example.stack
    for time in range(stack.n_times):
        ready = prepare(stack, time, register=register)
        detail, noise, hashes = _look_at_planes(ready)
        painted = None if example.painted is None else _recounted(example.painted, ready)
        regions.append(
            Region(
                name=example.name if stack.n_times == 1 else f"{example.name} at time {time}",
                ready=ready,
                box=stack.whole,
                detail=detail,
                noise=noise,
                camera=traits_of(ready.usable()),
                truth=None if example.reference is None else _as_grey(example.reference, ready),
                painted=painted if painted is not None and painted.any() else None,
                hashes=hashes,
            )
        )
    return regions


def overlap(box: Box, bounds: Box) -> Box:
    """Return what two boxes share."""
    return Box(max(box.y0, bounds.y0), min(box.y1, bounds.y1), max(box.x0, bounds.x0), min(box.x1, bounds.x1))


def mirrored(image: NDArray[Any], wanted: Box, there: Box) -> NDArray[Any]:
    """Return `image` `(..., h, w)` of the box `there`, mirrored outwards to the box `wanted`."""
    pad = [(there.y0 - wanted.y0, wanted.y1 - there.y1), (there.x0 - wanted.x0, wanted.x1 - there.x1)]
    if not any(side for axis in pad for side in axis):
        return image
    return np.pad(image, [(0, 0)] * (image.ndim - 2) + pad, mode="symmetric")


def gradient_energy(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the squared gradient `(h, w)` of a slightly smoothed image, per px²."""
    smooth = ndimage.gaussian_filter(image, _SMOOTHING)
    dy, dx = np.gradient(smooth)
    return np.asarray(dy**2 + dx**2, dtype=np.float32)


def noise_of(plane: NDArray[np.float32]) -> float:
    """Return the standard deviation of the noise of an image.

    Immerkaer's mask (Computer Vision and Image Understanding 64, 1996) with the median in place of his mean, so that
    edges do not count.
    """
    mask = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], dtype=np.float32)
    return float(np.median(np.abs(ndimage.convolve(plane, mask)))) * 1.4826 / 6


def _look_at_planes(ready: PreparedStack) -> tuple[NDArray[np.float32], float, tuple[str, ...]]:
    stack: FocalStack = ready.stack
    shape = (-(-stack.height // BLOCK), -(-stack.width // BLOCK))
    strongest = np.zeros(shape, dtype=np.float32)
    hashes, noise = [], []
    rows, columns = np.arange(0, stack.height, BLOCK), np.arange(0, stack.width, BLOCK)
    counts = np.outer(np.diff([*rows, stack.height]), np.diff([*columns, stack.width])).astype(np.float32)
    for plane in range(stack.n_planes):
        hashes.append(hashlib.sha256(stack.read(ready.time, plane=plane).tobytes()).hexdigest())
        if min(stack.height, stack.width) < 2 or ready.unusable[plane]:
            continue
        grey = ready.grey(stack.whole, plane)[0]
        noise.append(noise_of(grey))
        energy = gradient_energy(grey)
        blocks = np.add.reduceat(np.add.reduceat(energy, rows, axis=0), columns, axis=1) / counts
        strongest = np.maximum(strongest, blocks)
    return strongest, float(np.median(noise)) if noise else 0.0, tuple(hashes)


def _recounted(painted: NDArray[Any], ready: PreparedStack) -> NDArray[np.int16]:
    """Return a painted map with planes counted from 1 among the usable ones; the others are taken off it."""
    usable = ready.usable().planes
    table = np.zeros(ready.n_planes + 1, dtype=np.int16)
    table[1 + np.array(usable)] = 1 + np.arange(len(usable))
    return np.asarray(table[painted])


def _as_grey(reference: NDArray[Any], ready: PreparedStack) -> NDArray[np.float32]:
    """Return a reference in the grey of the planes.

    Its own gain and offset are unknown (another lamp, another file format), so they are fitted: by least squares
    of its low frequencies to those of the mean of the planes, where defocus changes next to nothing.
    """
    image = reference.astype(np.float64)
    if image.ndim == 3:
        image = image @ luma(image.shape[-1])
    whole = ready.stack.whole
    mean = np.zeros((whole.height, whole.width))
    usable = ready.usable().planes
    for plane in usable:
        mean += ready.grey(whole, plane)[0] / len(usable)
    low, target = (ndimage.gaussian_filter(part, _LOW_PASS)[::4, ::4].ravel() for part in (image, mean))
    spread = low.var()
    gain = float(((low - low.mean()) * (target - target.mean())).mean() / spread) if spread > 0 else 1.0
    return np.asarray((image - low.mean()) * gain + target.mean(), dtype=np.float32)


def sharp_tiles(regions: Sequence[Region], *, side: int = 192, most: int = 48) -> list[NDArray[np.float32]]:
    """Return the tiles with most detail, each from its sharpest plane, `(h, w)` in [0, 1]: textures to simulate with.

    A tile is measured values of one plane, not a fusion, so that no seam of a guess is learned as truth; a slight blur
    takes the worst of the noise, which would else be learned as detail.
    """
    tiles: list[tuple[float, NDArray[np.float32]]] = []
    for region in regions:
        box = region.box
        for y in range(box.y0, max(box.y1 - side, box.y0) + 1, side):
            for x in range(box.x0, max(box.x1 - side, box.x0) + 1, side):
                tile = Box(y, min(y + side, box.y1), x, min(x + side, box.x1))
                planes = region.planes(tile)
                energy = [float(gradient_energy(plane).mean()) for plane in planes]
                sharpest = ndimage.gaussian_filter(planes[int(np.argmax(energy))], _TEXTURE_BLUR)
                low, high = np.percentile(sharpest, (0.1, 99.9))
                if high > low:
                    unit = ((sharpest - low) / (high - low)).clip(0, 1).astype(np.float32)
                    tiles.append((max(energy), unit))
    ranked = sorted(tiles, key=lambda tile: tile[0], reverse=True)
    return [image for _, image in ranked[: max(min(most, len(ranked) // 2), 1)]]
