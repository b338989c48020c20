"""Sample data for File > Open Sample, drawn by the package's own simulator: nothing is downloaded."""

from __future__ import annotations

from dataclasses import replace

from napari_swinfusion.focal_stack import FocalStack
from napari_swinfusion.viewer.readers import LayerData, layer_data_of

_SIZE = 512
_PLANES = 11
# Two planes at about a quarter and three quarters of the depth, each sharp where the other is not.
_UPPER, _LOWER = 2, 8


def organoid_stack() -> list[LayerData]:
    """Return a z-stack of organoids at different heights, 11 planes of 512 × 512 px in uint16."""
    return [layer_data_of(replace(_simulated(), name="Simulated organoids"))]


def two_planes() -> list[LayerData]:
    """Return two focal planes of the same scene as two layers."""
    stack = _simulated()
    return [
        layer_data_of(replace(stack, data=stack.data[plane : plane + 1], name=name))
        for plane, name in ((_UPPER, "Upper plane"), (_LOWER, "Lower plane"))
    ]


def _simulated() -> FocalStack:
    from napari_swinfusion.simulation import simulate

    return simulate(n_planes=_PLANES, height=_SIZE, width=_SIZE, photons=5000.0, seed=5).stack
