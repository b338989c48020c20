"""Simulated training samples: small stacks with truth, drawn afresh for every step."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from napari_swinfusion.simulation.acquisition import Acquisition, shifted
from napari_swinfusion.simulation.camera import Camera
from napari_swinfusion.simulation.moving import moving, with_strands
from napari_swinfusion.simulation.optics import radial_frequency
from napari_swinfusion.simulation.presets import PRESETS, compose, sample_microscope
from napari_swinfusion.simulation.render import View, depth_of, render, render_sharp
from napari_swinfusion.simulation.scene import Layer, Painter, Scene
from napari_swinfusion.simulation.tone import grey_of, light_of
from napari_swinfusion.training.data.cameras import CameraTraits, camera_like

MARGIN = 32
# How often each specimen is drawn; opaque textured scenes teach selection, organoids and cells what to leave alone.
SHARES = {
    "organoid-brightfield": 0.18,
    "organoid-fluorescence": 0.24,
    "cells-fluorescence": 0.12,
    "cytology": 0.1,
    "reflected": 0.18,
    "two-plane": 0.18,
}
# Of the scenes that stand for photographs.
PHOTOGRAPHED = {"reflected": 0.3, "two-plane": 0.7}
# Share of the pairs of photographs that are made of one sharp image, as many public ones are, and their blur: its
# standard deviation, px, of which three have to fit the margin.
MADE_SHARE = 0.5
MADE_BLUR = (0.8, 6.0)
# Shares of the scenes whose own flat objects move between planes, and of those with moving strands before them; px from
# plane to plane.
MOVING_SHARE, STRANDS_SHARE = 0.1, 0.25
WAY = (0.4, 5.0)
# Steps between planes, depths of field: wider than what microscopists should choose, because they do.
STEP_RANGE = (0.25, 2.5)
MOST_PLANES = 32
# Photons at white: what cameras of microscopes see, and the light of photographs, in which no noise is left to see.
SCARCE, AMPLE = (200, 400_000), (400_000, 40_000_000)
AMPLE_SHARE = 0.3
# Share of the scenes that stand for photographs whose light mixed before the camera made grey levels of it.
TONED_SHARE = 0.5
_INNER = (..., slice(MARGIN, -MARGIN), slice(MARGIN, -MARGIN))
# A plane that shows nothing is in focus nowhere.
_NOWHERE = 1e3


@dataclass(frozen=True)
class Batch:
    """Stacks of one step.

    Attributes
    ----------
    planes
        `(b, n, h, w)`: noisy, in about [0, 1].
    clean
        The same without noise, residual lamp drift and shifts.
    truth
        `(b, h, w)`: the noise-free all-in-focus image.
    noise
        `(b,)`: standard deviation of the noise at mid-grey, in the scale of `planes`.
    distance
        `(b, n, h, w)`: of what is seen from the focus of each plane, planes; None where a source of samples does not
        know.
    opaque
        `(b,)`: whether what is near hides what is far, True, or all light adds up; None where a source of samples does
        not know.
    """

    planes: Tensor
    clean: Tensor
    truth: Tensor
    noise: Tensor
    distance: Tensor | None = None
    opaque: Tensor | None = None

    def to(self, device: torch.device) -> Batch:
        """Return the batch on `device`."""
        parts = ((entry.name, getattr(self, entry.name)) for entry in fields(self))
        return Batch(**{name: part.to(device) for name, part in parts if part is not None})


def draw_length(generator: torch.Generator, most: int = MOST_PLANES) -> int:
    """Return a number of planes from 2 to `most`, short stacks more often."""
    weights = torch.tensor([1 / n**0.7 for n in range(2, most + 1)])
    return int(torch.multinomial(weights, 1, generator=generator)) + 2


def draw_batch(
    generator: torch.Generator,
    *,
    n: int,
    size: int,
    planes_per_step: int,
    textures: list[Tensor],
    pixel_sizes: Sequence[float] = (),
    takes: int = 1,
    cameras: Sequence[CameraTraits] = (),
    photographs: bool = False,
) -> Batch:
    """Return stacks of `n` planes each, about `planes_per_step` planes of `size` px in all.

    Each is seen with one of `pixel_sizes`, µm, or where there are none, with what is usual for its specimen. A specimen
    is taken up to `takes` times, each time with light, a camera and accidents of its own: drawing it costs most. Where
    there are `cameras`, half of the takes are as noisy as one of these, give or take. `photographs` are of opaque
    scenes alone, in ample light; half of their pairs are made of one sharp image.
    """
    ample = 1.0 if photographs else AMPLE_SHARE
    count = max(round(planes_per_step / n), 1)
    samples: list[tuple[Tensor, ...]] = []
    while len(samples) < count:
        most = min(takes, count - len(samples))
        painter = Painter(size + 2 * MARGIN, size + 2 * MARGIN, generator, textures)
        made = photographs and n == 2 and painter.chance(MADE_SHARE)
        seen = _made(painter) if made else _see(painter, n, pixel_sizes, photographs=photographs)
        samples += [_take(seen, () if photographs else cameras, ample) for _ in range(most)]
    return Batch(*(torch.stack(parts) for parts in zip(*samples, strict=True)))


@dataclass(frozen=True)
class _Seen:
    """What the microscope shows of a scene: `planes` with their margin, the rest without."""

    painter: Painter
    planes: Tensor
    truth: Tensor
    depth: Tensor
    opaque: bool


def _see(painter: Painter, n: int, pixel_sizes: Sequence[float], *, photographs: bool) -> _Seen:
    shares = PHOTOGRAPHED if photographs else SHARES
    chances = torch.tensor(list(shares.values()))
    preset = PRESETS[list(shares)[int(torch.multinomial(chances, 1, generator=painter.generator))]]
    scene = _photographed(painter, compose(painter, preset, n))
    if not photographs:
        scene = _restless(painter, scene, n)
    depth = depth_of(scene)[_INNER]
    toned = photographs and painter.chance(TONED_SHARE)
    if toned:
        scene = replace(scene, layers=tuple(replace(layer, light=light_of(layer.light)) for layer in scene.layers))
    pixel_size = pixel_sizes[painter.integer(0, len(pixel_sizes) - 1)] if pixel_sizes else None
    microscope = sample_microscope(painter, preset, n, STEP_RANGE, pixel_size)
    view = View(microscope, painter.height, painter.width, max_blur=MARGIN)
    truth, planes = render_sharp(scene, view), render(scene, n, view)
    if toned:
        planes, truth = grey_of(planes), grey_of(truth)
    return _Seen(painter, planes, truth[_INNER], depth, opaque=not scene.additive)


def _restless(painter: Painter, scene: Scene, n: int) -> Scene:
    """Return some scenes with objects or strands that move from plane to plane: each plane shows them elsewhere."""
    if painter.chance(MOVING_SHARE):
        ground, *objects = scene.layers
        moved = (moving(painter, each, n, painter.log_uniform(*WAY)) if _is_flat(each) else each for each in objects)
        scene = replace(scene, layers=(ground, *moved))
    if painter.chance(STRANDS_SHARE):
        return with_strands(painter, scene, n, [painter.log_uniform(*WAY) for _ in range(painter.integer(1, 3))])
    return scene


def _is_flat(layer: Layer) -> bool:
    return bool(layer.height.min() == layer.height.max())


def _made(painter: Painter) -> _Seen:
    """Return a pair that is no scene: one sharp image, blurred here in the one plane and there in the other."""
    sharp = painter.texture()
    if painter.chance(0.5):
        sharp = _as_from_file(sharp, painter.integer(70, 100), _grid(painter))
    frequency = radial_frequency(painter.height, painter.width)
    transfer = torch.exp(-2 * (math.pi * painter.log_uniform(*MADE_BLUR) * frequency) ** 2)
    blurred = torch.fft.irfft2(torch.fft.rfft2(sharp) * transfer, s=sharp.shape)
    size = min(painter.height, painter.width)
    inside = [painter.outline(painter.log_uniform(0.1, 0.6) * size, 1.0)[1] for _ in range(2)]
    near = torch.maximum(*inside) > 0
    planes = torch.stack([torch.where(near, sharp, blurred), torch.where(near, blurred, sharp)])
    return _Seen(painter, planes, sharp[_INNER], (~near).float()[_INNER], opaque=True)


def _take(seen: _Seen, cameras: Sequence[CameraTraits], ample: float) -> tuple[Tensor, ...]:
    """Return the parts of one sample of a `Batch`."""
    painter, generator = seen.painter, seen.painter.generator
    n, size = len(seen.planes), len(seen.truth)
    camera = _camera(painter, seen.planes[_INNER], cameras, ample)
    # What is left of drift after the planes were matched and registered.
    acquisition = Acquisition(
        lamp_drift=painter.uniform(0, 0.012),
        vignetting=painter.uniform(0, 0.2),
        jitter=0.25 if painter.chance(0.2) else 0.0,
    )
    shade = acquisition.shade(size, size)
    lamp = acquisition.lamp(n, generator)[:, None, None]
    moved = shifted(seen.planes, acquisition.shifts(n, generator))[_INNER] * shade
    noisy = camera.expose(moved * lamp, generator)
    light, truth = seen.planes[_INNER] * shade, seen.truth * shade
    if painter.chance(0.3):
        noisy = (noisy * 255).round() / 255
        if painter.chance(0.3):
            noisy = torch.stack([_compressed(plane, painter.integer(70, 95)) for plane in noisy])
    order, blank = _accidents(painter, n)
    noisy, light = noisy[order], light[order]
    # A crop of a larger image seldom spans that image's own range: the scale of the planes wanders.
    low, high = torch.quantile(noisy.flatten()[::7], torch.tensor([0.005, 0.998]))
    scale = painter.log_uniform(0.5, 1.1) / float((high - low).clamp(min=0.02))
    shift = painter.uniform(-0.1, 0.2)
    noise = scale * camera.noise(float(light.mean().clamp(min=1e-3)))
    noisy, light, truth = ((part - low) * scale + shift for part in (noisy, light, truth))
    if painter.chance(0.2):
        # Dark-ground and inverted contrast are as likely in the field as what the presets draw.
        noisy, light, truth = 1 - noisy, 1 - light, 1 - truth
    distance = (order[:, None, None] - seen.depth).abs()
    if blank is not None:
        level = painter.uniform(0, 1) if painter.chance(0.5) else float(painter.integer(0, 1))
        light[blank] = level
        noisy[blank] = level + noise * torch.randn(size, size, generator=generator)
        distance[blank] = _NOWHERE
    return noisy, light, truth, torch.tensor(noise), distance, torch.tensor(seen.opaque)


def _camera(painter: Painter, light: Tensor, cameras: Sequence[CameraTraits], ample: float) -> Camera:
    if cameras and painter.chance(0.5):
        traits = cameras[painter.integer(0, len(cameras) - 1)]
        return camera_like(traits, light, times=painter.log_uniform(0.5, 2))
    return Camera(
        photons=painter.log_uniform(*(AMPLE if painter.chance(ample) else SCARCE)),
        read_noise=painter.uniform(0, 4),
        hot_pixels=1e-4 if painter.chance(0.15) else 0.0,
    )


def _photographed(painter: Painter, scene: Scene) -> Scene:
    """Return some opaque scenes as if painted from JPEG files: their faint blocks are detail that blur takes away."""
    if scene.additive or not painter.chance(0.3):
        return scene
    quality = painter.integer(40, 95)
    shift = _grid(painter)
    layers = (replace(layer, light=_as_from_file(layer.light, quality, shift)) for layer in scene.layers)
    return replace(scene, layers=tuple(layers))


def _grid(painter: Painter) -> tuple[int, int]:
    """Return where the blocks of a file begin: anywhere, since samples are crops."""
    return painter.integer(0, 7), painter.integer(0, 7)


def _as_from_file(image: Tensor, quality: int, grid: tuple[int, int]) -> Tensor:
    back = (-grid[0], -grid[1])
    return _compressed(image.roll(grid, (0, 1)), quality).roll(back, (0, 1))


def _compressed(image: Tensor, quality: int) -> Tensor:
    """Return `image` `(h, w)` after a JPEG file of `quality` held it in 8 bits."""
    file = io.BytesIO()
    Image.fromarray((image.clamp(0, 1) * 255).round().to(torch.uint8).numpy()).save(file, "JPEG", quality=quality)
    return torch.from_numpy(np.array(Image.open(file), dtype=np.float32)) / 255


def _accidents(painter: Painter, n: int) -> tuple[Tensor, int | None]:
    """Return which plane was saved in each place, and which place shows nothing: stacks are not always in order."""
    order = torch.arange(n)
    if n > 2 and painter.chance(0.05):
        order = torch.randperm(n, generator=painter.generator)
    if n > 2 and painter.chance(0.05):
        order[painter.integer(0, n - 1)] = painter.integer(0, n - 1)
    if painter.chance(0.5):
        order = order.flip(0)
    blank = painter.integer(0, n - 1) if n > 2 and painter.chance(0.04) else None
    return order, blank
