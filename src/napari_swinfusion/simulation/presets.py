"""Specimens by name: how each kind of scene is composed, and the optics it is usually seen with."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from napari_swinfusion.simulation.microscope import Microscope
from napari_swinfusion.simulation.scene import Layer, Painter, Scene

Objective = tuple[float, float, float]
"""Magnification, numerical aperture, refractive index."""


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A kind of specimen.

    Attributes
    ----------
    summary
        One line for menus.
    compose
        Draws a scene whose heights span planes 0 to n - 1.
    objectives
        What it is usually seen with.
    wave_share
        How often a point spreads by wave optics; a geometric disk or a Gaussian, as photographs have, else.
    wavelengths
        Range of the light, µm.
    """

    summary: str
    compose: Callable[[Painter, int], Scene]
    objectives: tuple[Objective, ...]
    wave_share: float = 0.8
    wavelengths: tuple[float, float] = (0.5, 0.6)


# Distance between planes over the depth of field: 1 samples depth as finely as light can tell (Nyquist).
STEP_RANGE = (0.5, 1.5)
# Two or three planes are put farther apart.
_FEW_PLANES = {2: 4.0, 3: 2.0}
# Few values, so that the tables of wave optics are computed once.
_SPHERICAL = (0.0, 0.0, 0.0, 0.25, -0.25, 0.5)
_CAMERA_PIXELS = (3.45, 6.5, 6.5, 13.0)


def sample_microscope(
    painter: Painter,
    preset: Preset,
    n_planes: int,
    step_range: tuple[float, float] = STEP_RANGE,
    pixel_size: float | None = None,
) -> Microscope:
    """Draw a microscope for a preset, its `z_step` within `step_range` depths of field.

    Where a `pixel_size`, µm, is given, it has that one, and an objective that fits.
    """
    objectives = preset.objectives if pixel_size is None else _fitting(preset.objectives, pixel_size)
    magnification, aperture, index = objectives[painter.integer(0, len(objectives) - 1)]
    wave = painter.chance(preset.wave_share)
    microscope = Microscope(
        numerical_aperture=aperture,
        refractive_index=index,
        wavelength=painter.uniform(*preset.wavelengths),
        magnification=magnification,
        camera_pixel=_CAMERA_PIXELS[painter.integer(0, len(_CAMERA_PIXELS) - 1)],
        spread="wave" if wave else ("disk" if painter.chance(0.5) else "gaussian"),
        spherical=_SPHERICAL[painter.integer(0, len(_SPHERICAL) - 1)] if wave else 0.0,
        softness=0.0 if wave else painter.uniform(0.2, 1.2),
        coherence=painter.uniform(0.3, 0.9),
    )
    steps = painter.log_uniform(*step_range) * _FEW_PLANES.get(n_planes, 1.0)
    camera_pixel = microscope.camera_pixel if pixel_size is None else pixel_size * magnification
    return replace(microscope, z_step=steps * microscope.depth_of_field, camera_pixel=camera_pixel)


def _fitting(usual: Sequence[Objective], pixel_size: float) -> Sequence[Objective]:
    """Return the usual objectives that take `pixel_size`, µm, with a camera as there are, or others that do.

    An aperture far too small for the pixels would show nothing sharp, one far too large would alias everything.
    """
    known = sorted({objective for preset in PRESETS.values() for objective in preset.objectives})
    for objectives in (usual, known):
        fitting = [each for each in objectives if _CAMERA_PIXELS[0] <= pixel_size * each[0] <= _CAMERA_PIXELS[-1]]
        if fitting:
            return fitting
    middle = math.sqrt(_CAMERA_PIXELS[0] * _CAMERA_PIXELS[-1])
    return [min(known, key=lambda each: abs(math.log(pixel_size * each[0] / middle)))]


def compose(painter: Painter, preset: Preset, n_planes: int) -> Scene:
    """Draw a scene of a preset; in one of ten, objects lie beyond the first and the last plane."""
    scene = preset.compose(painter, n_planes)
    if not painter.chance(0.1):
        return scene
    middle = (n_planes - 1) / 2
    stretch = painter.uniform(1.1, 1.5)
    layers = (replace(layer, height=(layer.height - middle) * stretch + middle) for layer in scene.layers)
    return replace(scene, layers=tuple(layers))


def _flat(painter: Painter, height: float) -> Tensor:
    return torch.full((painter.height, painter.width), height)


def _ground(light: Tensor, height: Tensor) -> Layer:
    return Layer(light, torch.ones_like(light), height)


def _organoid_texture(painter: Painter, inside: Tensor, opacity: float) -> Tensor:
    # A wall of cells, darker than the medium and darkest at its rim, round a lumen, bright or full of debris.
    wall = torch.sigmoid((painter.uniform(0.15, 0.5) - inside) * painter.uniform(8, 30))
    lumen = painter.uniform(0.3, 0.95)
    cells = 0.5 * painter.texture() + 0.5 * painter.power_noise(painter.uniform(0.5, 1.2))
    light = wall * (0.25 + 0.5 * cells) + (1 - wall) * (lumen * (0.75 + 0.25 * painter.texture()))
    rim = torch.exp(-((inside / painter.uniform(0.02, 0.06)) ** 2))
    return (light * (1 - 0.5 * rim) * (1.15 - 0.5 * opacity)).clamp(0.02, 1.0)


def _phase(painter: Painter, alpha: Tensor) -> Tensor:
    # Transparent cell bodies: seen by the fringes they cast out of focus.
    return painter.log_uniform(0.05, 0.5) * alpha * (painter.texture() + painter.power_noise(painter.uniform(0.8, 1.4)))


def organoid_brightfield(painter: Painter, n_planes: int) -> Scene:
    """Compose dark organoids with lumen and rim at different heights over a bright, flat, empty background."""
    top = n_planes - 1
    shade = painter.smooth_noise(max(painter.height, painter.width) * 1.5)
    level = painter.uniform(0.6, 0.95)
    layers = [_ground(level * (1 - painter.uniform(0, 0.15) * shade), _flat(painter, painter.uniform(0, top)))]
    size = min(painter.height, painter.width)
    for _ in range(painter.integer(1, 5)):
        alpha, inside = painter.outline(painter.log_uniform(0.06, 0.35) * size, painter.uniform(0.7, 2.0))
        opacity = painter.uniform(0.5, 1.0)
        dome = (1 - (1 - inside) ** 2).sqrt() * painter.uniform(-0.4, 0.4) * top
        height = (painter.uniform(0, top) + dome).clamp(0, top)
        light = level * _organoid_texture(painter, inside, opacity)
        layers.append(Layer(light, alpha * opacity, height, _phase(painter, alpha) if painter.chance(0.5) else None))
    debris = painter.blobs(painter.integer(0, 12), (1.5, 6.0))
    layers.append(Layer(_flat(painter, 0.25 * level), 0.8 * debris, _flat(painter, painter.uniform(0, top))))
    return Scene(tuple(layers))


def organoid_fluorescence(painter: Painter, n_planes: int) -> Scene:
    """Compose glowing nuclei and membranes at several heights before darkness; light out of focus adds up."""
    top = n_planes - 1
    haze = painter.uniform(0.01, 0.08)
    layers = [_ground(_flat(painter, haze), _flat(painter, painter.uniform(0, top)))]
    area = painter.height * painter.width
    for _ in range(painter.integer(1, 4)):
        kind = painter.integer(0, 2)
        if kind == 0:
            glow = painter.blobs(max(int(area / painter.log_uniform(600, 8000)), 2), (2.0, 14.0))
        elif kind == 1:
            glow = painter.filaments(painter.integer(1, 4))
        else:
            _, inside = painter.outline(painter.log_uniform(0.1, 0.4) * min(painter.height, painter.width), 1.0)
            glow = (inside > 0).float() * painter.texture()
        glow = glow * (0.5 + 0.5 * painter.power_noise(0.8)) * painter.log_uniform(0.15, 0.9)
        height = painter.relief(0, top) if painter.chance(0.6) else _flat(painter, painter.uniform(0, top))
        layers.append(Layer(glow, torch.ones_like(glow), height))
    return Scene(tuple(layers), additive=True)


def cells_fluorescence(painter: Painter, n_planes: int) -> Scene:
    """Compose a bumpy monolayer of glowing cells before darkness: bodies, brighter nuclei, membranes and specks."""
    top = n_planes - 1
    ground = painter.relief(0, top)
    layers = [_ground(_flat(painter, painter.uniform(0.005, 0.05)), ground)]
    size = min(painter.height, painter.width)
    radius = painter.log_uniform(0.04, 0.15) * size
    bodies, nuclei = _flat(painter, 0.0), _flat(painter, 0.0)
    for _ in range(painter.integer(8, 40)):
        _, inside = painter.outline(radius * painter.uniform(0.7, 1.4), 1.0)
        glow = painter.uniform(0.2, 1.0)
        bodies = torch.maximum(bodies, glow * (inside > 0) * (0.3 + 0.7 * torch.exp(-((inside / 0.15) ** 2))))
        nuclei = torch.maximum(nuclei, glow * torch.sigmoid((inside - painter.uniform(0.4, 0.6)) * 30))
    thickness = painter.uniform(0.05, 0.3) * top
    stains = (
        bodies * (0.3 + 0.7 * painter.texture()),
        nuclei * (0.5 + 0.5 * painter.power_noise(painter.uniform(0.5, 1.0))),
        painter.blobs(painter.integer(10, 120), (1.0, 3.0)) * (bodies > 0),
    )
    for stain in stains:
        light = stain * painter.log_uniform(0.1, 0.9)
        height = (ground + thickness * painter.uniform(0, 1) * (bodies > 0)).clamp(0, top)
        layers.append(Layer(light, torch.ones_like(light), height))
    return Scene(tuple(layers), additive=True)


def reflected(painter: Painter, n_planes: int) -> Scene:
    """Compose a textured opaque relief, as of an insect or a leaf, sometimes with objects before it."""
    top = n_planes - 1
    light = _contrasted(painter, painter.texture())
    layers = [_ground(light, painter.relief(0, top))]
    if painter.chance(0.5):
        layers += _foreground(painter, top, painter.integer(1, 3))
    return Scene(tuple(layers))


def two_plane(painter: Painter, n_planes: int) -> Scene:
    """Compose objects before a background, each at one height: a photograph pair, with defocus spread at the edges."""
    top = n_planes - 1
    light = _contrasted(painter, painter.texture())
    layers = [_ground(light, _flat(painter, float(painter.integer(0, top))))]
    layers += _foreground(painter, top, painter.integer(1, 3), whole=True)
    return Scene(tuple(layers))


def cytology(painter: Painter, n_planes: int) -> Scene:
    """Compose stained cells on overlapping gentle slopes over a light ground."""
    top = n_planes - 1
    ground = painter.uniform(0.7, 0.95) * (0.9 + 0.1 * painter.smooth_noise(60))
    layers = [_ground(ground, _flat(painter, painter.uniform(0, top)))]
    for _ in range(painter.integer(2, 7)):
        radius = painter.log_uniform(0.06, 0.25) * min(painter.height, painter.width)
        alpha, inside = painter.outline(radius, painter.uniform(0.8, 2.5))
        body = 0.45 + 0.4 * painter.texture()
        nucleus = torch.sigmoid((inside - painter.uniform(0.4, 0.8)) * 25)
        light = body * (1 - 0.6 * nucleus * (0.6 + 0.4 * painter.power_noise(0.7)))
        height = (painter.uniform(0, top) + painter.uniform(-1.5, 1.5) * inside).clamp(0, top)
        phase = _phase(painter, alpha) if painter.chance(0.3) else None
        layers.append(Layer(light, alpha * painter.uniform(0.4, 1.0), height, phase))
    return Scene(tuple(layers))


def _contrasted(painter: Painter, texture: Tensor) -> Tensor:
    low = painter.uniform(0.0, 0.4)
    return painter.grained(low + (painter.uniform(0.5, 1.0) - low) * texture)


def _foreground(painter: Painter, top: float, count: int, *, whole: bool = False) -> list[Layer]:
    size = min(painter.height, painter.width)
    layers = []
    for _ in range(count):
        alpha, inside = painter.outline(painter.log_uniform(0.1, 0.6) * size, painter.uniform(0.4, 1.5))
        middle = float(painter.integer(0, int(top))) if whole else painter.uniform(0, top)
        height = _flat(painter, middle)
        if painter.chance(0.4):
            height = (height + painter.uniform(-0.3, 0.3) * top * inside).clamp(0, top)
        opacity = 1.0 if painter.chance(0.75) else painter.uniform(0.4, 0.9)
        layers.append(Layer(_contrasted(painter, painter.texture()), alpha * opacity, height))
    return layers


_DRY = ((4.0, 0.13, 1.0), (10.0, 0.3, 1.0), (20.0, 0.5, 1.0))
_IMMERSED = ((40.0, 0.95, 1.0), (60.0, 1.2, 1.333), (63.0, 1.4, 1.518))
_MACRO = ((1.0, 0.05, 1.0), (2.0, 0.08, 1.0), (4.0, 0.13, 1.0), (10.0, 0.3, 1.0))

PRESETS: dict[str, Preset] = {
    "organoid-brightfield": Preset(
        summary="dark organoids over a flat bright background", compose=organoid_brightfield, objectives=_DRY
    ),
    "organoid-fluorescence": Preset(
        summary="glowing nuclei and membranes on black",
        compose=organoid_fluorescence,
        objectives=(*_DRY, (20.0, 0.75, 1.0)),
        wavelengths=(0.45, 0.67),
    ),
    "cells-fluorescence": Preset(
        summary="a monolayer of glowing cells",
        compose=cells_fluorescence,
        objectives=((20.0, 0.75, 1.0), *_IMMERSED),
        wavelengths=(0.45, 0.67),
    ),
    "cytology": Preset(
        summary="stained, overlapping cells", compose=cytology, objectives=((20.0, 0.5, 1.0), (40.0, 0.75, 1.0))
    ),
    "reflected": Preset(
        summary="a textured relief: insect, leaf, material", compose=reflected, objectives=_MACRO, wave_share=0.5
    ),
    "two-plane": Preset(summary="objects before a background", compose=two_plane, objectives=_MACRO, wave_share=0.3),
}
