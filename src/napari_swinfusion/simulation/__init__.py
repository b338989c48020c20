"""Focal stacks with the answer known: scenes, optics and a camera; the training sets draw from it directly."""

from napari_swinfusion.simulation.acquisition import Acquisition
from napari_swinfusion.simulation.camera import Camera
from napari_swinfusion.simulation.microscope import Microscope
from napari_swinfusion.simulation.presets import PRESETS
from napari_swinfusion.simulation.stack import SimulatedStack, simulate

__all__ = ["PRESETS", "Acquisition", "Camera", "Microscope", "SimulatedStack", "simulate"]
