"""What stands before the microscope: layers from far to near, each with brightness, opacity and height.

Heights are in units of the plane distance: a point of height 3.0 is in focus in plane 3.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

_SEGMENTS = 16  # of a strand


@dataclass(frozen=True)
class Layer:
    """One sheet of a scene.

    Attributes
    ----------
    light
        `(h, w)`: brightness, 1.0 is white.
    alpha
        `(h, w)`: opacity in [0, 1]; 1 everywhere for the farthest layer of an opaque scene.
    height
        `(h, w)`: height in planes.
    phase
        `(h, w)`: phase shift of a transparent object, radians, or None: no contrast in focus, more out of it.
    drift
        Way along y and x from one plane to the next, px, of a layer in the focus of one of them: a fibre sways while
        planes are taken, and what is seen at a slant seems to. The layer is drawn where that plane shows it.
    """

    light: Tensor
    alpha: Tensor
    height: Tensor
    phase: Tensor | None = None
    drift: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class Scene:
    """Layers from far to near; `additive` scenes glow (fluorescence), others hide what is behind."""

    layers: tuple[Layer, ...]
    additive: bool = False


class Painter:
    """Draws textures, shapes and heights of one size from one random generator, so that a seed names a scene.

    Parameters
    ----------
    height, width
        Size of everything it draws, px.
    generator
        Source of all randomness.
    textures
        Sharp images `(h, w)` with values in [0, 1] to cut textures from; None draws procedural ones alone.
    """

    def __init__(
        self, height: int, width: int, generator: torch.Generator, textures: list[Tensor] | None = None
    ) -> None:
        self.height, self.width, self.generator = height, width, generator
        self.textures = textures or []

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        """Return a number from [low, high)."""
        return low + (high - low) * float(torch.rand((), generator=self.generator))

    def log_uniform(self, low: float, high: float) -> float:
        """Return a number whose logarithm is uniform."""
        return math.exp(self.uniform(math.log(low), math.log(high)))

    def integer(self, low: int, high: int) -> int:
        """Return an integer from [low, high]."""
        return int(torch.randint(low, high + 1, (), generator=self.generator))

    def chance(self, probability: float) -> bool:
        """Return True with `probability`."""
        return self.uniform() < probability

    def smooth_noise(self, scale: float) -> Tensor:
        """Return a smooth random field `(h, w)` in [0, 1] with features of about `scale` px."""
        rows, columns = max(int(self.height / scale), 1) + 3, max(int(self.width / scale), 1) + 3
        coarse = torch.rand(1, 1, rows, columns, generator=self.generator)
        field = functional.interpolate(
            coarse, size=(self.height + 2, self.width + 2), mode="bicubic", align_corners=True
        )
        return _stretched(field[0, 0, 1:-1, 1:-1])

    def power_noise(self, exponent: float) -> Tensor:
        """Return noise `(h, w)` in [0, 1] whose amplitude falls with frequency to the power `exponent`."""
        noise = torch.randn(self.height, self.width, generator=self.generator)
        fy = torch.fft.fftfreq(self.height)[:, None]
        fx = torch.fft.rfftfreq(self.width)[None]
        amplitude = torch.hypot(fy, fx).clamp(min=1 / max(self.height, self.width)) ** -exponent
        return _stretched(torch.fft.irfft2(torch.fft.rfft2(noise) * amplitude, s=noise.shape))

    def blobs(self, count: int, radius: tuple[float, float]) -> Tensor:
        """Return `count` soft-edged spots of random size and brightness on black, `(h, w)` in [0, 1]."""
        field = torch.zeros(self.height, self.width)
        for _ in range(count):
            r = self.log_uniform(*radius)
            cy, cx = self.uniform(0, self.height), self.uniform(0, self.width)
            y0, y1 = max(int(cy - 2 * r), 0), min(int(cy + 2 * r) + 2, self.height)
            x0, x1 = max(int(cx - 2 * r), 0), min(int(cx + 2 * r) + 2, self.width)
            y, x = torch.arange(y0, y1)[:, None] - cy, torch.arange(x0, x1)[None] - cx
            turn, stretch = self.uniform(0, math.pi), self.uniform(0.6, 1.0)
            u, v = x * math.cos(turn) + y * math.sin(turn), (y * math.cos(turn) - x * math.sin(turn)) / stretch
            spot = self.uniform(0.3, 1.0) * torch.sigmoid((r - torch.hypot(u, v)) * 2)
            field[y0:y1, x0:x1] = torch.maximum(field[y0:y1, x0:x1], spot)
        return field

    def filaments(self, count: int) -> Tensor:
        """Return thin wavy lines on black, `(h, w)` in [0, 1]: ridges of smooth noise."""
        field = torch.zeros(self.height, self.width)
        for _ in range(count):
            wave = self.smooth_noise(self.log_uniform(12, 60))
            level, thickness = self.uniform(0.3, 0.7), self.log_uniform(0.008, 0.03)
            field = torch.maximum(field, self.uniform(0.4, 1.0) * torch.exp(-(((wave - level) / thickness) ** 2)))
        return field

    def strand(self, thickness: float) -> Tensor:
        """Return the opacity `(h, w)` in [0, 1] of a bent fibre or bristle, `thickness` px at its root."""
        t = torch.linspace(0, 1, _SEGMENTS)
        angle = self.uniform(0, 2 * math.pi) + self.uniform(-1.5, 1.5) * t
        length = self.uniform(0.2, 1.2) * min(self.height, self.width) / _SEGMENTS
        steps = length * torch.stack([angle.sin(), angle.cos()], dim=1)
        root = torch.tensor([self.uniform(0, self.height), self.uniform(0, self.width)])
        radius = thickness / 2 * (1 - self.uniform(0, 0.9) * t)
        depth = torch.full((self.height, self.width), -math.inf)
        for (y0, x0), (dy, dx), r in zip(root + steps.cumsum(0) - steps, steps, radius, strict=True):
            y, x = torch.arange(self.height)[:, None] - y0, torch.arange(self.width)[None] - x0
            along = ((y * dy + x * dx) / length**2).clamp(0, 1)
            depth = torch.maximum(depth, r - torch.hypot(y - along * dy, x - along * dx))
        return torch.sigmoid(3 * depth)

    def photograph(self) -> Tensor:
        """Return a random crop `(h, w)` of one of the textures: turned, flipped, scaled, with new contrast."""
        image = self.textures[self.integer(0, len(self.textures) - 1)]
        # Shrinking makes detail at the pixel scale; a texture smaller than the crop is mirrored outwards.
        scale = self.log_uniform(0.4, 1.0)
        rows, columns = min(int(self.height / scale), image.shape[0]), min(int(self.width / scale), image.shape[1])
        y, x = self.integer(0, image.shape[0] - rows), self.integer(0, image.shape[1] - columns)
        crop = image[y : y + rows, x : x + columns]
        side = (max(int(rows * scale), 8), max(int(columns * scale), 8))
        if side != (rows, columns):
            crop = functional.interpolate(crop[None, None], size=side, mode="bilinear", antialias=True)[0, 0]
        if self.chance(0.5):
            crop = crop.flip(0)
        if self.chance(0.5):
            crop = crop.flip(1)
        if self.height == self.width and self.chance(0.5):
            crop = crop.T
        return _stretched(_mirrored_to(crop, self.height, self.width))

    def texture(self) -> Tensor:
        """Return a texture `(h, w)` in [0, 1]: a photograph where there are some, else procedural."""
        if self.textures and self.chance(0.65):
            return self.photograph()
        kind = self.integer(0, 3)
        if kind == 0:
            return self.power_noise(self.uniform(0.4, 1.6))
        if kind == 1:
            area = self.height * self.width
            return self.blobs(max(int(area / self.log_uniform(200, 3000)), 3), (1.5, 8.0))
        if kind == 2:
            return self.filaments(self.integer(2, 5))
        return _stretched(self.smooth_noise(self.log_uniform(20, 80)) + 0.5 * self.power_noise(self.uniform(0.3, 1.0)))

    def grained(self, light: Tensor) -> Tensor:
        """Return `light` with faint grain of its own, as every real surface and photograph has; blur takes it away."""
        if not self.chance(0.6):
            return light
        grain = torch.randn(self.height, self.width, generator=self.generator) + 2 * (
            self.power_noise(self.uniform(0.0, 0.8)) - 0.5
        )
        return (light + self.log_uniform(0.002, 0.03) * grain).clamp(0, 1.2)

    def outline(self, radius: float, softness: float) -> tuple[Tensor, Tensor]:
        """Return a wobbling ellipse: its opacity `(h, w)` in [0, 1] and the depth inside it, 1 at the middle."""
        cy, cx = self.uniform(0, self.height), self.uniform(0, self.width)
        y, x = torch.arange(self.height)[:, None] - cy, torch.arange(self.width)[None] - cx
        angle = torch.atan2(y, x)
        wobble = torch.ones_like(angle)
        for order in range(2, 7):
            wobble = wobble + self.uniform(0, 0.16) / order**0.5 * torch.cos(
                order * angle + self.uniform(0, 2 * math.pi)
            )
        turn, stretch = self.uniform(0, math.pi), self.uniform(0.55, 1.0)
        u, v = x * math.cos(turn) + y * math.sin(turn), (y * math.cos(turn) - x * math.sin(turn)) / stretch
        inside = 1 - torch.hypot(u, v) / (radius * wobble)
        return torch.sigmoid(inside * radius / softness), inside.clamp(0, 1)

    def relief(self, low: float, high: float) -> Tensor:
        """Return a continuous height map `(h, w)` between `low` and `high`: a slope, hills or domes."""
        kind = self.integer(0, 2)
        if kind == 0:
            turn = self.uniform(0, 2 * math.pi)
            y = torch.linspace(-1, 1, self.height)[:, None]
            x = torch.linspace(-1, 1, self.width)[None]
            shape = _stretched(y * math.sin(turn) + x * math.cos(turn))
        elif kind == 1:
            shape = self.smooth_noise(self.log_uniform(40, 160))
        else:
            shape = torch.zeros(self.height, self.width)
            for _ in range(self.integer(1, 5)):
                _, inside = self.outline(self.log_uniform(20, 90), 1.0)
                shape = torch.maximum(shape, (1 - (1 - inside) ** 2).sqrt() * self.uniform(0.3, 1.0))
        ends = sorted((self.uniform(low, high), self.uniform(low, high)))
        return ends[0] + (ends[1] - ends[0]) * shape


def _stretched(field: Tensor) -> Tensor:
    low, high = field.min(), field.max()
    return (field - low) / (high - low).clamp(min=1e-6)


def _mirrored_to(image: Tensor, height: int, width: int) -> Tensor:
    for axis, length in ((0, height), (1, width)):
        while image.shape[axis] < length:
            image = torch.cat([image, image.flip(axis)], dim=axis)
        image = image.narrow(axis, 0, length)
    return image
