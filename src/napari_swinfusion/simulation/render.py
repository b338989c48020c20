"""From a scene to the planes a microscope sees: every layer blurred by its distance from focus, far to near.

Light and opacity of a layer are blurred together, and what lies behind shows through where the blurred opacity leaves
room: the defocus spread of a foreground over its edge is there by construction. Phase layers absorb nothing: they
redistribute light, more so out of focus. Heights inside a layer are split over levels. A layer that drifts is seen
elsewhere from every plane but its own.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from napari_swinfusion.simulation.microscope import Microscope
from napari_swinfusion.simulation.optics import defocus_transfer, phase_transfer, radial_frequency, shift_transfer
from napari_swinfusion.simulation.scene import Layer, Scene

# Two levels a plane; a layer's pixel belongs to the two nearest in proportion, so that height stays continuous.
LEVEL_STEP = 0.5
# How far the eye looks for detail, px, and how much it takes for some.
REACH = 3
LEAST_DETAIL = 0.004


class View:
    """What of a microscope the drawing needs: transfer functions on the grid of an image and of the levels.

    Parameters
    ----------
    microscope
        Its `z_step` is the distance between planes.
    height, width
        Of the scene, px.
    max_blur
        Farthest geometric blur that is drawn, px; borders wrap around, so leave a margin as wide. What drifts farther
        comes in again on the other side, blurred.
    """

    def __init__(
        self, microscope: Microscope, height: int, width: int, max_blur: float, device: torch.device | None = None
    ) -> None:
        self.microscope = microscope
        self.size = (height, width)
        self.frequency = radial_frequency(height, width, device)
        self.farthest = max_blur / microscope.blur_radius(1.0)

    def blur(self, planes: Tensor, drift: tuple[float, float]) -> Tensor:
        """Return the defocus transfer `(m, …)` at heights above focus, planes, of what drifts."""
        return self._drifted(defocus_transfer(self.microscope, self._distance(planes), self.frequency), planes, drift)

    def contrast(self, planes: Tensor, drift: tuple[float, float]) -> Tensor:
        """Return the phase transfer `(m, …)` at heights above focus, planes, of what drifts."""
        return self._drifted(phase_transfer(self.microscope, self._distance(planes), self.frequency), planes, drift)

    def _drifted(self, transfer: Tensor, planes: Tensor, drift: tuple[float, float]) -> Tensor:
        if not any(drift):
            return transfer
        # What lies above the focus is seen from a plane before its own.
        shifts = -planes[:, None] * torch.tensor(drift)
        return transfer * shift_transfer(shifts.to(transfer.device), *self.size)

    def _distance(self, planes: Tensor) -> Tensor:
        distance = (planes * self.microscope.z_step).clamp(-self.farthest, self.farthest)
        return distance.to(self.frequency.device)


def render(scene: Scene, n_planes: int, view: View) -> Tensor:
    """Return the light `(n_planes, h, w)` of planes focused at heights 0, 1, 2, ..."""
    layers = [
        _SeenLayer(layer, view, n_planes, hides=k > 0 and not scene.additive) for k, layer in enumerate(scene.layers)
    ]
    return torch.stack([_over(layers, plane).clamp(min=0) for plane in range(n_planes)])


def render_sharp(scene: Scene, view: View) -> Tensor:
    """Return the light `(h, w)` with every layer in focus: the all-in-focus image."""
    flat = (replace(layer, height=torch.zeros_like(layer.height), phase=None) for layer in scene.layers)
    return render(replace(scene, layers=tuple(flat)), 1, view)[0]


def depth_of(scene: Scene) -> Tensor:
    """Return the height `(h, w)`, planes, of what is seen: of the layer that shows most detail within a few pixels.

    Detail is the local standard deviation of a layer's light and opacity, as much of it as the layers before let
    through. Where none shows any, it is the nearest layer that covers at least half; in fluorescence, the brightest.
    """
    light = torch.stack([layer.light for layer in scene.layers])
    alpha = torch.stack([layer.alpha for layer in scene.layers])
    heights = torch.stack([layer.height for layer in scene.layers])
    if scene.additive:
        detail, plain = _local_deviation(light * alpha), _local_mean(light * alpha).argmax(0)
    else:
        clear = (1 - alpha).clamp(0, 1)
        passed = torch.stack([clear[k + 1 :].prod(0) for k in range(len(clear))])
        detail = passed * (_local_deviation(light) * _local_mean(alpha) + _local_deviation(alpha))
        plain = ((alpha > 0.5) * torch.arange(len(alpha), device=alpha.device)[:, None, None]).amax(0)
    most, seen = detail.max(0)
    return heights.gather(0, torch.where(most > LEAST_DETAIL, seen, plain)[None])[0]


def _local_mean(layers: Tensor) -> Tensor:
    # As two matrix products, several times as fast as pooling.
    height, width = layers.shape[-2:]
    mean: Tensor = _box(height, layers) @ layers @ _box(width, layers).T
    return mean


def _box(size: int, like: Tensor) -> Tensor:
    place = torch.arange(size, device=like.device)
    near = ((place[:, None] - place).abs() <= REACH).to(like.dtype)
    return near / near.sum(1, keepdim=True)


def _local_deviation(layers: Tensor) -> Tensor:
    return (_local_mean(layers.square()) - _local_mean(layers).square()).clamp(min=0).sqrt()


class _SeenLayer:
    """A layer as planes 0 to n - 1 see it; its opacity only if it `hides` what lies behind."""

    def __init__(self, layer: Layer, view: View, n_planes: int, *, hides: bool) -> None:
        self.size = view.size
        levels, shares = _levels(layer.height)
        parts = [layer.light * layer.alpha, layer.alpha] if hides else [layer.light * layer.alpha]
        self.spectra = torch.fft.rfft2(torch.stack(parts)[:, None] * shares)
        # Distances fall on the grid of the levels: one transfer function serves all pairs that are equally far apart.
        self.last = _steps(n_planes - 1)
        distances = torch.arange(levels.start - self.last, levels.stop) * LEVEL_STEP
        self.transfer = view.blur(distances, layer.drift)
        self.phase = None if layer.phase is None else torch.fft.rfft2(layer.phase * shares)
        self.contrast = None if layer.phase is None else view.contrast(distances, layer.drift)

    def from_plane(self, plane: int) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Return light, opacity and relative contrast of the layer in a plane."""
        start = self.last - _steps(plane)
        here = slice(start, start + self.spectra.shape[1])
        light, *alpha = torch.fft.irfft2((self.spectra * self.transfer[here]).sum(1), s=self.size)
        contrast = None
        if self.phase is not None and self.contrast is not None:
            contrast = torch.fft.irfft2((self.phase * self.contrast[here]).sum(0), s=self.size)
        return light, alpha[0] if alpha else None, contrast


def _over(layers: list[_SeenLayer], plane: int) -> Tensor:
    seen: Tensor | None = None
    for layer in layers:
        light, alpha, contrast = layer.from_plane(plane)
        if seen is None:
            seen = light
        elif alpha is None:
            seen = seen + light
        else:
            seen = seen * (1 - alpha).clamp(0, 1) + light
        if contrast is not None:
            seen = seen * (1 + contrast).clamp(min=0)
    assert seen is not None
    return seen


def _steps(planes: int) -> int:
    return round(planes / LEVEL_STEP)


def _levels(height: Tensor) -> tuple[range, Tensor]:
    """Return the levels that a layer spans, in steps of `LEVEL_STEP`, and each pixel's share `(levels, h, w)`."""
    place = height / LEVEL_STEP
    low = math.floor(float(place.min()))
    high = max(math.ceil(float(place.max())), low)
    levels = torch.arange(low, high + 1, device=height.device)
    shares = (1 - (place[None] - levels[:, None, None]).abs()).clamp(min=0)
    return range(low, high + 1), shares
