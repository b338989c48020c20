from __future__ import annotations

import math

import pytest
import torch

from napari_swinfusion.simulation.optics import defocus_transfer, radial_frequency
from napari_swinfusion.simulation.render import Optics, render
from napari_swinfusion.simulation.scene import Layer, Scene


def spread(radius: float, disk_share: float) -> torch.Tensor:
    size = 128
    transfer = defocus_transfer(torch.tensor(radius), radial_frequency(size, size), disk_share)
    return torch.fft.fftshift(torch.fft.irfft2(transfer.to(torch.complex64), s=(size, size)))


@pytest.mark.parametrize("disk_share", [0.0, 0.5, 1.0])
def test_defocus_keeps_light_and_has_the_variance_of_a_disk(disk_share: float) -> None:
    point = spread(6.0, disk_share)
    place = torch.arange(128.0) - 64
    assert point.sum() == pytest.approx(1, abs=1e-4)
    if disk_share < 1:  # the tails of a band-limited hard disk ring too far for its second moment
        assert float((point.sum(0) * place**2).sum()) == pytest.approx(6.0**2 / 4, rel=0.1)


def test_a_disk_is_flat_and_ends_at_its_radius() -> None:
    point = spread(8.0, 1.0)
    inside, outside = 1 / (torch.pi * 64), float(point[64, 64 + 12])
    assert float(point[60:69, 60:69].mean()) == pytest.approx(inside, rel=0.1)
    assert abs(outside) < 0.1 * inside


def test_a_defocused_foreground_spreads_over_its_edge() -> None:
    """Behind the edge of a blurred dark object the background is darkened, though the background itself is in focus."""
    size = 96
    alpha = torch.zeros(size, size)
    alpha[:, :48] = 1
    ground = Layer(torch.ones(size, size), torch.ones(size, size), torch.zeros(size, size))
    front = Layer(torch.zeros(size, size), alpha, torch.full((size, size), 4.0))
    optics = Optics(blur_per_plane=2.0, base_blur=0.0, disk_share=1.0)
    on_ground, on_front = render(Scene((ground, front)), torch.tensor([0.0, 4.0]), optics)[:, 48]
    # A disk of radius 8 px whose centre lies 2.5 px outside of the edge is covered to (acos d - d sqrt(1 - d²)) / pi.
    d = 2.5 / 8
    covered = (math.acos(d) - d * math.sqrt(1 - d * d)) / math.pi
    assert float(on_ground[50]) == pytest.approx(1 - covered, abs=0.01)
    assert float(on_ground[60]) > 0.97
    assert float(on_front[50]) > 0.97
    assert float(on_ground[45]) > 0.2


def test_out_of_focus_light_adds_in_fluorescence() -> None:
    size = 64
    dark, glow = torch.zeros(size, size), torch.zeros(size, size)
    glow[30:34, 30:34] = 1.0
    layers = (
        Layer(glow, torch.ones(size, size), torch.zeros(size, size)),
        Layer(dark + 0.2, torch.ones(size, size), torch.full((size, size), 3.0)),
    )
    planes = render(Scene(layers, additive=True), torch.arange(4.0), Optics())
    assert planes.sum((1, 2)) == pytest.approx([16 + 0.2 * size**2] * 4, rel=1e-3)
    assert planes[0].max() > planes[3].max()
