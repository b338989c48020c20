"""Crops of held-out regions, and how well a network fuses them, with and without a truth.

With a reference the score is PSNR. Without one no single number says "better", so three are taken together, in dB:

- `detail`: how near the gradient of the fused image comes to that of the sharpest plane, where one plane stands out so
  clearly above the others and above the noise that any good fusion would take it. Blur, wrong planes and amplified
  edges all cost.
- `fidelity`: how near the low frequencies of the fused image come to those of the mean of the planes, which defocus
  moves around but does not change. Errors below half a percent of the range do not count.
- `quiet`: how much less gradient the fused image has than a plane, on average, where no plane shows more than noise.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from napari_swinfusion.networks import Fused, FusionNetwork
from napari_swinfusion.tiling import Box, padded_size
from napari_swinfusion.training.data.crops import MOST_PLANES
from napari_swinfusion.training.data.regions import Region, gradient_energy, mirrored, noise_of

WATCHED, JUDGED = 8, 24
"""Held-out crops looked at each epoch, and at the end."""
FEWEST = 4
"""Units (stacks, or crops where there are few stacks) below which nothing can be said."""
TELLING = ("psnr", "detail")
"""Scores of which a comparison needs one: the others alone praise a blur."""

_SIDES = (192, 128, 96, 64, 48, 32, 24)
_SMALL = 32  # Px; smaller crops are cut only where too few of this size could be judged.
_MOST = 96  # Candidate crops of one region: enough to choose from.
_WINDOW = 4.0  # Standard deviation of the mean over which sharpness is compared, px.
_LOW_PASS = 12.0  # Px.
_STANDS_OUT = 1.5  # Times the mean energy of the other planes.
_ABOVE_NOISE, _IN_NOISE = 8.0, 2.0  # Times the energy that noise alone has.
_NOISE_ENERGY = 1 / (4 * math.pi)  # Of the gradient of white noise of variance 1 after a Gaussian of 1 px.
_VISIBLE_ERROR = 0.005
_LEAST_SHARE = 0.02  # Of the pixels of a crop that have to be of a kind for a score on them to mean anything.

Scores = dict[str, float]


@dataclass(frozen=True)
class HeldOutCrop:
    """A crop that is never learned from.

    Attributes
    ----------
    planes
        float32 `(n, h, w)`.
    truth
        float32 `(h, w)`, or None.
    stack
        Name of the stack.
    box
        Where in the stack.
    """

    planes: NDArray[np.float32]
    truth: NDArray[np.float32] | None
    stack: str
    box: Box

    @property
    def cost(self) -> int:
        """Pixels in all planes."""
        return self.planes.size


def held_out_crops(regions: Sequence[Region], *, most: int, planes: int) -> tuple[list[HeldOutCrop], list[HeldOutCrop]]:
    """Return up to `most` crops to watch the training by, and as many others to judge it by at the end.

    Each has up to `planes` planes, evenly chosen.
    Crops do not overlap. Those with most detail are taken, the same number of every region, and go to one list and the
    other in turn: what chose the weights that are kept must not also praise them. A region of 48 px along one side
    gives at least one to each.
    """
    watching, judging = (
        [_crop(region, box, planes) for region, box in places] for places in _places(regions, most=most)
    )
    return watching, judging


def count_telling(regions: Sequence[Region]) -> int:
    """Return how many crops can tell a better network from a worse one in the end; counting stops at `FEWEST`."""
    count = 0
    for region, box in _places(regions, most=JUDGED)[1]:
        crop = _crop(region, box, MOST_PLANES)
        count += tells(score(crop.planes[0], crop))
        if count == FEWEST:
            break
    return count


def _places(regions: Sequence[Region], *, most: int) -> tuple[list[tuple[Region, Box]], list[tuple[Region, Box]]]:
    each = max(2 * most // max(len(regions), 1), 2)
    boxes = [(region, _boxes(region, each)) for region in regions]
    watching = [(region, box) for region, found in boxes for box in found[1::2]]
    judging = [(region, box) for region, found in boxes for box in found[::2]]
    return watching[:most], judging[:most]


def _boxes(region: Region, wanted: int) -> list[Box]:
    found: list[Box] = []
    for side in _SIDES:
        found = list(_grid(region.box, side))
        if len(found) >= (wanted if side > _SMALL else min(wanted, 2 * FEWEST)):
            break
    step = max(len(found) // _MOST, 1)
    ranked = sorted(found[::step], key=region.detail_within, reverse=True)
    return ranked[:wanted]


def _grid(box: Box, side: int) -> Iterator[Box]:
    height, width = min(side, box.height), min(side, box.width)
    for y in range(box.y0, box.y1 - height + 1, height):
        for x in range(box.x0, box.x1 - width + 1, width):
            yield Box(y, y + height, x, x + width)


def _crop(region: Region, box: Box, planes: int) -> HeldOutCrop:
    count = region.n_planes
    chosen = np.linspace(0, count - 1, min(count, planes)).round().astype(int)
    truth = None if region.truth is None else region.truth[box.slices]
    return HeldOutCrop(region.planes(box, [int(plane) for plane in chosen]), truth, region.ready.stack.name, box)


def fuse_crop(network: FusionNetwork, crop: HeldOutCrop) -> Fused:
    """Return the network's answer on a crop, on the CPU; b is 1."""
    _, height, width = crop.planes.shape
    multiple = network.info.size_multiple
    wanted = Box(0, padded_size(height, multiple), 0, padded_size(width, multiple))
    padded = np.ascontiguousarray(mirrored(crop.planes, wanted, Box(0, height, 0, width)))
    was_training = network.training
    network.eval()
    with torch.inference_mode():
        fused = network(torch.from_numpy(padded)[None].to(next(network.parameters()).device))
    network.train(was_training)
    image, *shares = (
        None if part is None else part[..., :height, :width].float().cpu()
        for part in (fused.image, fused.weights, fused.focus)
    )
    assert image is not None
    return Fused(image, *shares)


def score(image: NDArray[np.float32], crop: HeldOutCrop) -> Scores:
    """Return the scores of a fused crop, dB, higher is better; those that mean nothing here are left out."""
    if crop.truth is not None:
        return {"psnr": _decibel(float(np.square(image - crop.truth).mean()), 1e-9)}
    energies = np.stack([ndimage.gaussian_filter(gradient_energy(plane), _WINDOW) for plane in crop.planes])
    noise = _NOISE_ENERGY * float(np.median([noise_of(plane) for plane in crop.planes])) ** 2
    best = energies.max(axis=0)
    others = (energies.sum(axis=0) - best) / (len(energies) - 1)
    objects = (best > _STANDS_OUT * others) & (best > _ABOVE_NOISE * noise)
    flat = best < _IN_NOISE * noise
    mean = crop.planes.mean(axis=0)
    low = ndimage.gaussian_filter(image - mean, _LOW_PASS)
    scores = {"fidelity": _decibel(float(np.square(low).mean()), _VISIBLE_ERROR**2)}
    if objects.mean() > _LEAST_SHARE:
        sharpest = np.take_along_axis(_gradients(crop.planes), energies.argmax(axis=0)[None, None], axis=1)[:, 0]
        off = np.square(_gradients(image[None])[:, 0] - sharpest)[:, objects].sum()
        scores["detail"] = -_decibel(float(np.square(sharpest)[:, objects].sum() / max(off, 1e-12)), 1e-9)
    if flat.mean() > _LEAST_SHARE:
        usual = np.mean([gradient_energy(plane)[flat].mean() for plane in crop.planes])
        scores["quiet"] = _decibel(float(gradient_energy(image)[flat].mean() / max(usual, 1e-12)), 1e-3)
    return scores


def tells(scores: Scores) -> bool:
    """Tell whether the scores of a crop, or means of them, hold one that says which network is better."""
    return any(name in scores for name in TELLING)


def _gradients(planes: NDArray[np.float32]) -> NDArray[np.float32]:
    smooth = ndimage.gaussian_filter(planes, (0, 1.0, 1.0))
    along_y, along_x = np.gradient(smooth, axis=(1, 2))
    return np.stack([along_y, along_x]).astype(np.float32)


def _decibel(ratio: float, floor: float) -> float:
    return round(-10 * math.log10(ratio + floor), 4)
