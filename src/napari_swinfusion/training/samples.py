"""Simulated training samples: small stacks with truth, drawn afresh for every step."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from napari_swinfusion.simulation.camera import Camera
from napari_swinfusion.simulation.presets import PRESETS, sample_optics
from napari_swinfusion.simulation.render import depth_of, render
from napari_swinfusion.simulation.scene import Painter

MARGIN = 20
# How often each specimen is drawn; opaque textured scenes teach selection, organoids and cells what to leave alone.
SHARES = {
    "organoid-brightfield": 0.22,
    "organoid-fluorescence": 0.22,
    "cytology": 0.14,
    "reflected": 0.24,
    "two-plane": 0.18,
}


@dataclass(frozen=True)
class Batch:
    """Stacks of one step.

    Attributes
    ----------
    planes
        `(b, n, h, w)`: noisy, in about [0, 1].
    clean
        The same without noise and residual lamp drift.
    truth
        `(b, h, w)`: the noise-free all-in-focus image.
    noise
        `(b,)`: standard deviation of the noise at mid-grey, in the scale of `planes`.
    depth
        `(b, h, w)`: true height of what is seen, planes; None where a source of samples does not know.
    unfocused
        `(b, h, w)`, bool: pixels that no plane shows in focus; None where a source of samples does not know.
    """

    planes: Tensor
    clean: Tensor
    truth: Tensor
    noise: Tensor
    depth: Tensor | None = None
    unfocused: Tensor | None = None

    def to(self, device: torch.device) -> Batch:
        """Return the batch on `device`."""
        parts = ((entry.name, getattr(self, entry.name)) for entry in fields(self))
        return Batch(**{name: part.to(device) for name, part in parts if part is not None})


def draw_length(generator: torch.Generator) -> int:
    """Return a number of planes from 2 to 12, short stacks a little more often."""
    weights = torch.tensor([1 / n**0.5 for n in range(2, 13)])
    return int(torch.multinomial(weights, 1, generator=generator)) + 2


def draw_batch(generator: torch.Generator, *, n: int, size: int, planes_per_step: int, textures: list[Tensor]) -> Batch:
    """Return stacks of `n` planes each, about `planes_per_step` planes of `size` px in all."""
    count = max(round(planes_per_step / n), 1)
    samples = [_draw_sample(generator, size, n, textures) for _ in range(count)]
    return Batch(*(torch.stack(parts) for parts in zip(*samples, strict=True)))


def _draw_sample(generator: torch.Generator, size: int, n: int, textures: list[Tensor]) -> tuple[Tensor, ...]:
    painter = Painter(size + 2 * MARGIN, size + 2 * MARGIN, generator, textures)
    name = list(SHARES)[int(torch.multinomial(torch.tensor(list(SHARES.values())), 1, generator=generator))]
    scene = PRESETS[name].compose(painter, n)
    optics = replace(sample_optics(painter, PRESETS[name], n), max_blur=float(MARGIN))
    camera = Camera(
        photons=painter.log_uniform(200, 200_000),
        read_noise=painter.uniform(0, 4),
        lamp_drift=painter.uniform(0, 0.012),
    )
    inner = (..., slice(MARGIN, -MARGIN), slice(MARGIN, -MARGIN))
    light = render(scene, torch.arange(float(n)), optics)[inner]
    truth = render(scene, None, optics)[inner][0]
    noisy = camera.expose(light, camera.lamp(n, generator), generator)
    if painter.chance(0.3):
        noisy = (noisy * 255).round() / 255
    # A crop of a larger image seldom spans that image's own range: the scale of the planes wanders.
    low, high = torch.quantile(noisy.flatten()[::7], torch.tensor([0.005, 0.998]))
    scale = painter.log_uniform(0.5, 1.1) / float((high - low).clamp(min=0.02))
    shift = painter.uniform(-0.1, 0.2)
    mean = float(light.mean().clamp(min=1e-3))
    noise = scale * (mean / camera.photons + (camera.read_noise / camera.photons) ** 2) ** 0.5
    noisy, light, truth = ((part - low) * scale + shift for part in (noisy, light, truth))
    if painter.chance(0.2):
        # Dark-ground and inverted contrast are as likely in the field as what the presets draw.
        noisy, light, truth = 1 - noisy, 1 - light, 1 - truth
    return noisy, light, truth, torch.tensor(noise), depth_of(scene)[inner]
