"""Specimens by name: how each kind of scene is composed, and the optics it is usually seen with."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from napari_swinfusion.simulation.render import Optics
from napari_swinfusion.simulation.scene import Layer, Painter, Scene


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A kind of specimen.

    Attributes
    ----------
    summary
        One line for menus.
    compose
        Draws a scene whose heights span planes 0 to n - 1.
    blur_per_plane
        Range of the optics' growth of blur, px per plane.
    """

    summary: str
    compose: Callable[[Painter, int], Scene]
    blur_per_plane: tuple[float, float]


def sample_optics(painter: Painter, preset: Preset, n_planes: int) -> Optics:
    """Draw optics for a preset; two planes lie farther apart than the planes of a long stack."""
    closeness = math.sqrt(8 / max(n_planes, 2))
    low, high = preset.blur_per_plane
    return Optics(
        blur_per_plane=painter.log_uniform(low, high) * closeness,
        base_blur=painter.uniform(0.2, 1.0),
        disk_share=painter.uniform(0.0, 1.0),
    )


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
        layers.append(Layer(level * _organoid_texture(painter, inside, opacity), alpha * opacity, height))
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
        layers.append(Layer(light, alpha * painter.uniform(0.4, 1.0), height))
    return Scene(tuple(layers))


def _contrasted(painter: Painter, texture: Tensor) -> Tensor:
    low = painter.uniform(0.0, 0.4)
    return low + (painter.uniform(0.5, 1.0) - low) * texture


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


PRESETS: dict[str, Preset] = {
    "organoid-brightfield": Preset(
        summary="dark organoids over a flat bright background", compose=organoid_brightfield, blur_per_plane=(0.7, 3.0)
    ),
    "organoid-fluorescence": Preset(
        summary="glowing nuclei and membranes on black", compose=organoid_fluorescence, blur_per_plane=(0.6, 2.5)
    ),
    "cytology": Preset(summary="stained, overlapping cells", compose=cytology, blur_per_plane=(0.6, 2.5)),
    "reflected": Preset(
        summary="a textured relief: insect, leaf, material", compose=reflected, blur_per_plane=(0.6, 2.5)
    ),
    "two-plane": Preset(summary="objects before a background", compose=two_plane, blur_per_plane=(0.7, 3.0)),
}
