"""What moves while planes are taken, as fibres and bristles do: each plane shows it elsewhere.

It is in focus in one of the planes, and where that plane shows it is what is true.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

import torch

from napari_swinfusion.simulation.scene import Layer, Painter, Scene

THICKNESS = (1.5, 10.0)  # px


def moving(painter: Painter, layer: Layer, n_planes: int, way: float) -> Layer:
    """Return a flat `layer` put into the focus of its nearest plane, moving by `way` px a plane in any direction."""
    turn = painter.uniform(0, 2 * math.pi)
    height = layer.height.round().clamp(0, n_planes - 1)
    return replace(layer, height=height, drift=(way * math.sin(turn), way * math.cos(turn)))


def with_strands(painter: Painter, scene: Scene, n_planes: int, ways: Iterable[float]) -> Scene:
    """Return `scene` with fibres and bristles before it: glowing in fluorescence, mostly dark elsewhere.

    Each is in the focus of any plane and moves by its one of the `ways`, px a plane.
    """
    strands = (moving(painter, _strand(painter, n_planes, scene.additive), n_planes, way) for way in ways)
    return replace(scene, layers=(*scene.layers, *strands))


def _strand(painter: Painter, n_planes: int, additive: bool) -> Layer:
    opacity = painter.strand(painter.log_uniform(*THICKNESS))
    height = torch.full_like(opacity, float(painter.integer(0, n_planes - 1)))
    if additive:
        return Layer(painter.uniform(0.1, 0.9) * opacity, torch.ones_like(opacity), height)
    light = painter.uniform(0.02, 0.35) if painter.chance(0.7) else painter.uniform(0.5, 1.0)
    return Layer(torch.full_like(opacity, light), painter.uniform(0.6, 1.0) * opacity, height)
