from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from napari_swinfusion.errors import ConfigError
from napari_swinfusion.simulation import Microscope
from napari_swinfusion.simulation.microscope import Spread
from napari_swinfusion.simulation.optics import defocus_transfer, phase_transfer, radial_frequency

SIDE = 128
SPREADS: tuple[Spread, ...] = ("wave", "disk", "gaussian")


def microscope_with_blur(radius: float, spread: Spread) -> tuple[Microscope, float]:
    """Return a microscope and the distance, µm, at which its geometric blur has a radius of so many pixels."""
    microscope = Microscope(spread=spread)
    return microscope, radius / microscope.blur_radius(1.0)


def point_spread(microscope: Microscope, distance: float) -> torch.Tensor:
    transfer = defocus_transfer(microscope, torch.tensor([distance]), radial_frequency(SIDE, SIDE))[0]
    return torch.fft.fftshift(torch.fft.irfft2(transfer.to(torch.complex64), s=(SIDE, SIDE)))


@pytest.mark.parametrize("spread", SPREADS)
def test_defocus_keeps_light_and_spreads_it_as_far_as_geometry_says(spread: Spread) -> None:
    point = point_spread(*microscope_with_blur(8.0, spread))
    place = torch.arange(float(SIDE)) - SIDE // 2
    distance = torch.hypot(place[:, None], place[None])
    assert point.sum() == pytest.approx(1, abs=1e-4)
    assert float(point[distance <= 10].sum()) == pytest.approx(0.9 if spread == "gaussian" else 0.97, abs=0.06)
    assert float(point[distance <= 4].sum()) < (0.5 if spread == "gaussian" else 0.35)


def test_a_disk_is_flat_and_ends_at_its_radius() -> None:
    point = point_spread(*microscope_with_blur(8.0, "disk"))
    inside, outside = 1 / (torch.pi * 64), float(point[64, 64 + 12])
    assert float(point[60:69, 60:69].mean()) == pytest.approx(inside, rel=0.1)
    assert abs(outside) < 0.1 * inside


def test_in_focus_wave_optics_is_the_ideal_lens() -> None:
    """2/π (acos(s/2) − s/2 √(1 − s²/4)): Goodman, Introduction to Fourier Optics, section 6.3."""
    microscope = Microscope()
    frequency = torch.linspace(0, 0.5, 50)[None]
    s = (frequency / microscope.sampling).clamp(max=2).double()
    ideal = 2 / math.pi * (torch.acos(s / 2) - s / 2 * (1 - s**2 / 4).sqrt())
    found = defocus_transfer(microscope, torch.zeros(1), frequency)[0]
    torch.testing.assert_close(found.double(), ideal, atol=0.005, rtol=0)


@pytest.mark.parametrize(("aperture", "waves", "spherical"), [(0.3, 1.0, 0.0), (0.3, 4.0, 0.0), (0.8, 2.0, 0.5)])
def test_wave_optics_is_the_transform_of_the_pupil(aperture: float, waves: float, spherical: float) -> None:
    """Against the pupil of 64 px radius drawn on a grid of 512 and transformed there and back."""
    side, radius = 512, 64
    y, x = np.mgrid[-side // 2 : side // 2, -side // 2 : side // 2]
    rho = np.hypot(y, x) / radius
    path = 2 * (1 - np.sqrt(np.clip(1 - (aperture * rho) ** 2, 0, 1))) / aperture**2
    pupil = (rho <= 1) * np.exp(2j * np.pi * (waves * path + spherical * (rho**4 - rho**2)))
    drawn = np.fft.ifft2(np.abs(np.fft.fft2(pupil)) ** 2).real
    expected = drawn[0, : 2 * radius] / drawn[0, 0]

    microscope = Microscope(numerical_aperture=aperture, spherical=spherical, camera_pixel=1.0, magnification=10.0)
    distance = torch.tensor([waves * 2 * microscope.depth_of_field])
    frequency = torch.arange(2 * radius) / radius * microscope.sampling
    found = defocus_transfer(microscope, distance, frequency[None])[0, 0]
    np.testing.assert_allclose(found.numpy(), expected, atol=0.012)


def test_spherical_aberration_tells_above_from_below() -> None:
    frequency = radial_frequency(32, 32)
    either_side = torch.tensor([-20.0, 20.0])
    below, above = defocus_transfer(Microscope(), either_side, frequency)
    torch.testing.assert_close(below, above, atol=1e-5, rtol=0)
    below, above = defocus_transfer(Microscope(spherical=0.5), either_side, frequency)
    assert (below - above).abs().max() > 0.1


@pytest.mark.parametrize("spherical", [-0.25, 0.25, 0.5])
def test_focus_is_where_the_image_is_sharpest(spherical: float) -> None:
    microscope = Microscope(spherical=spherical)
    distance = torch.linspace(-12, 12, 49)
    passed = defocus_transfer(microscope, distance, radial_frequency(64, 64)).sum((1, 2))
    assert abs(float(distance[passed.argmax()])) < 0.2 * microscope.depth_of_field


def test_a_phase_object_shows_out_of_focus_only_and_turns_over() -> None:
    below, focus, above = phase_transfer(Microscope(), torch.tensor([-10.0, 0.0, 10.0]), radial_frequency(64, 64))
    assert focus.abs().max() == 0
    assert above.max() > 0.2
    torch.testing.assert_close(below, -above)


def test_lengths_follow_from_the_data_sheet() -> None:
    microscope = Microscope(numerical_aperture=0.5, wavelength=0.5, magnification=20, camera_pixel=6.5)
    assert microscope.pixel_size == pytest.approx(0.325)
    assert microscope.depth_of_field == pytest.approx(2.0)
    assert microscope.waves(2.0) == pytest.approx(0.5)
    assert microscope.blur_radius(13.0) == pytest.approx(20.0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"numerical_aperture": 1.2}, "below the refractive index"), ({"spread": "airy"}, "no spread 'airy'")],
)
def test_what_is_no_microscope_is_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Microscope(**settings)  # type: ignore[arg-type]
