from __future__ import annotations

import math

import pytest
import torch

from napari_swinfusion.simulation import Microscope
from napari_swinfusion.simulation.render import View, depth_of, render, render_sharp
from napari_swinfusion.simulation.scene import Layer, Scene


def view_with_blur(per_plane: float, side: int) -> View:
    """Return a view in which geometric disks grow by so many pixels a plane."""
    microscope = Microscope(spread="disk", z_step=per_plane / Microscope().blur_radius(1.0))
    return View(microscope, side, side, max_blur=side / 4)


def flat(side: int, value: float) -> torch.Tensor:
    return torch.full((side, side), float(value))


def test_a_defocused_foreground_spreads_over_its_edge() -> None:
    """Behind the edge of a blurred dark object the background is darkened, though the background itself is in focus."""
    side = 96
    alpha = flat(side, 0)
    alpha[:, :48] = 1
    ground = Layer(flat(side, 1), flat(side, 1), flat(side, 0))
    front = Layer(flat(side, 0), alpha, flat(side, 4))
    planes = render(Scene((ground, front)), 5, view_with_blur(2.0, side))
    on_ground, on_front = planes[0, 48], planes[4, 48]
    # A disk of radius 8 px whose centre lies 2.5 px outside of the edge is covered to (acos d - d sqrt(1 - d²)) / pi.
    d = 2.5 / 8
    covered = (math.acos(d) - d * math.sqrt(1 - d * d)) / math.pi
    assert float(on_ground[50]) == pytest.approx(1 - covered, abs=0.01)
    assert float(on_ground[60]) > 0.97
    assert float(on_front[50]) > 0.97
    assert float(on_ground[45]) > 0.2


def test_out_of_focus_light_adds_in_fluorescence() -> None:
    side = 64
    glow = flat(side, 0)
    glow[30:34, 30:34] = 1.0
    layers = (Layer(glow, flat(side, 1), flat(side, 0)), Layer(flat(side, 0.2), flat(side, 1), flat(side, 3)))
    planes = render(Scene(layers, additive=True), 4, view_with_blur(1.5, side))
    assert planes.sum((1, 2)) == pytest.approx([16 + 0.2 * side**2] * 4, rel=1e-3)
    assert planes[0].max() > planes[3].max()


def test_a_tilted_layer_is_sharp_where_it_crosses_a_plane() -> None:
    side = 96
    light = torch.rand(side, side, generator=torch.Generator().manual_seed(0))
    tilt = torch.linspace(0, 4, side).expand(side, side)
    scene = Scene((Layer(light, flat(side, 1), tilt),))
    view = view_with_blur(2.0, side)
    error = (render(scene, 5, view) - render_sharp(scene, view)).abs()
    for plane in range(1, 4):
        here = plane * 24
        assert error[plane, :, here - 2 : here + 3].mean() < 0.2 * error[plane, :, (here + 48) % side].mean()


def test_what_drifts_is_where_it_was_in_the_plane_that_has_it_in_focus() -> None:
    side, view = 64, view_with_blur(0.5, 64)
    dot = flat(side, 0)
    dot[30:33, 20:23] = 1.0
    layers = (
        Layer(flat(side, 0), flat(side, 1), flat(side, 0)),
        Layer(dot, flat(side, 1), flat(side, 2), drift=(3.0, -2.0)),
    )
    scene = Scene(layers, additive=True)
    planes = render(scene, 5, view)
    assert planes[2] == pytest.approx(render_sharp(scene, view), abs=1e-5)
    place = torch.arange(side, dtype=torch.float32)
    for plane, light in enumerate(planes):
        middle = float((light.sum(1) * place).sum() / light.sum()), float((light.sum(0) * place).sum() / light.sum())
        assert middle == pytest.approx((31 + 3 * (plane - 2), 21 - 2 * (plane - 2)), abs=0.1)


def test_a_phase_object_drifts_too() -> None:
    side, view = 64, view_with_blur(1.0, 64)
    bump = flat(side, 0)
    bump[30:33, 20:23] = 0.5
    ground = Layer(flat(side, 0.5), flat(side, 1), flat(side, 0))

    def seen(drift: tuple[float, float]) -> torch.Tensor:
        return render(Scene((ground, Layer(ground.light, flat(side, 0), flat(side, 1), bump, drift))), 4, view)

    still, moved = seen((0.0, 0.0)), seen((2.0, -3.0))
    assert (still[3] - 0.5).abs().max() > 0.01
    assert moved[3] == pytest.approx(still[3].roll((4, -6), (0, 1)), abs=1e-4)
    assert moved[1] == pytest.approx(still[1], abs=1e-6)


def test_a_phase_object_has_more_contrast_out_of_focus_than_in() -> None:
    side = 64
    phase = flat(side, 0)
    phase[24:40, 24:40] = 0.5
    scene = Scene((Layer(flat(side, 0.5), flat(side, 1), flat(side, 2), phase),))
    view = View(Microscope(), side, side, max_blur=16)
    contrast = render(scene, 5, view).std((1, 2))
    assert contrast[2] < 1e-4
    assert min(contrast[0], contrast[4]) > 0.005
    assert render_sharp(scene, view).std() < 1e-4


def test_depth_is_of_what_shows_detail() -> None:
    side = 32
    half = flat(side, 0)
    half[:, :16] = 1
    grain = torch.rand(side, side, generator=torch.Generator().manual_seed(0))
    ground = Layer(flat(side, 0.8), flat(side, 1), flat(side, 0))
    plain, veil = Layer(flat(side, 0.5), half, flat(side, 3)), Layer(grain, half * 0.3, flat(side, 5))
    assert depth_of(Scene((ground, plain)))[8].tolist() == [3.0] * 19 + [0.0] * 13
    assert depth_of(Scene((ground, veil)))[8].tolist() == [5.0] * 19 + [0.0] * 13
    hidden = Layer(grain, flat(side, 1), flat(side, 2))
    assert depth_of(Scene((hidden, plain)))[8, :10].tolist() == [3.0] * 10


def test_in_fluorescence_darkness_has_the_height_of_the_glow_beside_it() -> None:
    side = 32
    spot = flat(side, 0)
    spot[:, 0] = 1
    haze, glow = Layer(flat(side, 0.01), flat(side, 1), flat(side, 1)), Layer(spot, flat(side, 1), flat(side, 2))
    assert depth_of(Scene((haze, glow), additive=True))[8].tolist() == [2.0] * 4 + [1.0] * 28
