"""From a scene to the planes a microscope sees: every layer blurred by its distance from focus, far to near.

Light and opacity of a layer are blurred together, and what lies behind shows through where the blurred opacity leaves
room: the defocus spread of a foreground over its edge is there by construction. Heights inside a layer are split over
levels.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from napari_swinfusion.simulation.optics import defocus_transfer, radial_frequency
from napari_swinfusion.simulation.scene import Layer, Scene

LEVEL_STEP = 0.5
MAX_LEVELS = 24


@dataclass(frozen=True, kw_only=True)
class Optics:
    """How defocus grows with distance.

    Attributes
    ----------
    blur_per_plane
        Growth of the blur radius with each plane away from focus, px.
    base_blur
        Blur radius in focus, px.
    max_blur
        Greatest blur radius, px.
    disk_share
        See `defocus_transfer`.
    """

    blur_per_plane: float = 1.5
    base_blur: float = 0.6
    max_blur: float = 20.0
    disk_share: float = 0.6

    def radius(self, distance: Tensor) -> Tensor:
        """Return the blur radius, px, at a `distance` from focus in planes."""
        defocus = (distance.abs() * self.blur_per_plane).clamp(max=self.max_blur)
        return torch.hypot(defocus, torch.as_tensor(self.base_blur, device=distance.device))


def render(scene: Scene, focus: Tensor | None, optics: Optics) -> Tensor:
    """Return the light `(n, h, w)` of planes focused at heights `focus` `(n,)`; None gives all in focus, `(1, h, w)`.

    Borders wrap around; draw scenes with a margin of `optics.max_blur` and cut it off.
    """
    h, w = scene.layers[0].light.shape
    frequency = radial_frequency(h, w, scene.layers[0].light.device)
    seen, _ = _blurred(scene.layers[0], focus, optics, frequency)
    for layer in scene.layers[1:]:
        light, alpha = _blurred(layer, focus, optics, frequency)
        seen = seen + light if scene.additive else seen * (1 - alpha).clamp(0, 1) + light
    return seen.clamp(min=0)


def depth_of(scene: Scene) -> Tensor:
    """Return the height `(h, w)` of what is seen: of the nearest layer that covers at least half."""
    depth = scene.layers[0].height
    for layer in scene.layers[1:]:
        covers = layer.alpha * (layer.light if scene.additive else 1)
        depth = torch.where(covers > (0.1 if scene.additive else 0.5), layer.height, depth)
    return depth


def _blurred(layer: Layer, focus: Tensor | None, optics: Optics, frequency: Tensor) -> tuple[Tensor, Tensor]:
    size = layer.light.shape
    both = torch.stack([layer.light * layer.alpha, layer.alpha])
    if focus is None:
        transfer = defocus_transfer(optics.radius(torch.zeros(1)), frequency, optics.disk_share)
        light, alpha = torch.fft.irfft2(torch.fft.rfft2(both) * transfer, s=size)
        return light[None], alpha[None]
    levels, shares = _levels(layer.height)
    spectra = torch.fft.rfft2(both[:, None] * shares)
    distance = levels[None, :] - focus[:, None]
    transfer = defocus_transfer(optics.radius(distance), frequency, optics.disk_share)
    spectrum = torch.einsum("slyx,nlyx->snyx", spectra, transfer.to(spectra.dtype))
    light, alpha = torch.fft.irfft2(spectrum, s=size)
    return light, alpha


def _levels(height: Tensor) -> tuple[Tensor, Tensor]:
    # Each pixel belongs to the two nearest levels in proportion, so that height stays continuous.
    low, high = float(height.min()), float(height.max())
    count = min(max(int((high - low) / LEVEL_STEP) + 1, 1), MAX_LEVELS)
    if count == 1:
        return torch.tensor([(low + high) / 2], device=height.device), torch.ones_like(height)[None]
    levels = torch.linspace(low, high, count, device=height.device)
    place = (height - low) / (high - low) * (count - 1)
    shares = (1 - (place[None] - torch.arange(count, device=height.device)[:, None, None]).abs()).clamp(min=0)
    return levels, shares
