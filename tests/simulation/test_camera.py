from __future__ import annotations

import pytest
import torch

from napari_swinfusion.errors import ConfigError
from napari_swinfusion.simulation import Acquisition, Camera
from napari_swinfusion.simulation.acquisition import shifted


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(3)


def test_noise_is_that_of_the_electrons_and_of_reading() -> None:
    camera = Camera(photons=1000, quantum_efficiency=0.5, read_noise=5)
    counted = camera.expose(torch.full((1, 256, 256), 0.25), seeded())
    assert counted.std().item() == pytest.approx(((0.25 * 500 + 25) ** 0.5) / 500, rel=0.02)
    assert camera.noise(0.25) == pytest.approx(counted.std().item(), rel=0.02)


def test_without_photons_given_there_is_no_noise() -> None:
    light = torch.rand(2, 8, 8, generator=seeded())
    camera = Camera(photons=None)
    assert torch.equal(camera.expose(light, seeded()), light)
    assert camera.noise(0.5) == 0


def test_a_full_well_saturates() -> None:
    camera = Camera(photons=20_000, quantum_efficiency=1.0, full_well=15_000, read_noise=0)
    assert camera.expose(torch.ones(1, 16, 16), seeded()).max().item() == pytest.approx(0.75)


def test_hot_pixels_glow_in_the_same_places_of_every_plane() -> None:
    camera = Camera(photons=1e6, read_noise=0, hot_pixels=0.01)
    planes = camera.expose(torch.zeros(3, 64, 64), seeded())
    hot = planes > 0
    assert 10 < int(hot[0].sum()) < 90
    assert torch.equal(hot[0], hot[2])


def test_a_dye_bleaches_and_a_lens_shades_its_corners() -> None:
    lamp = Acquisition(lamp_drift=0, bleaching=0.3).lamp(5, seeded())
    assert lamp[0] == 1
    assert lamp[-1].item() == pytest.approx(0.7)
    assert (lamp.diff() < 0).all()
    shade = Acquisition(vignetting=0.2).shade(9, 9)
    assert shade[4, 4] == 1
    assert shade[0, 0].item() == pytest.approx(0.8)


def test_the_stage_drifts_straight_and_jitters_about() -> None:
    drift = Acquisition(lateral_drift=6).shifts(7, seeded())
    assert drift[3].tolist() == [0, 0]
    assert (drift[-1] - drift[0]).norm().item() == pytest.approx(6)
    jitter = Acquisition(jitter=0.5).shifts(400, seeded())
    assert jitter.std().item() == pytest.approx(0.5, rel=0.1)


def test_shifting_moves_an_image_by_whole_and_broken_pixels() -> None:
    image = torch.rand(1, 16, 16, generator=seeded())
    moved = shifted(image, torch.tensor([[2.0, -1.0]]))
    torch.testing.assert_close(moved, image.roll((2, -1), (1, 2)), atol=1e-5, rtol=0)
    halves = shifted(shifted(image, torch.tensor([[0.0, 0.5]])), torch.tensor([[0.0, 0.5]]))
    smooth = image - image.mean()  # all but the highest frequency, which a half shift loses
    assert (halves - image.roll(1, 2)).square().mean() < 0.2 * smooth.square().mean()


@pytest.mark.parametrize("settings", [{"bits": 12}, {"photons": 0}, {"quantum_efficiency": 1.5}, {"headroom": 0.5}])
def test_what_is_no_camera_is_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        Camera(**settings)  # type: ignore[arg-type]
