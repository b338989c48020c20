"""Illumination: lamp drift is recovered to half a percent, and what is no drift is left alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_swinfusion.focal_stack import FocalStack
from napari_swinfusion.prepare import PreparedStack, prepare
from napari_swinfusion.simulation import simulate

Draw = Callable[..., NDArray[np.float64]]
Camera = Callable[..., NDArray[np.uint16]]

LAMP = np.array([1.03, 0.96, 1.01, 1.05, 0.98, 1.0, 0.95, 1.02, 0.99])


def prepared(planes: NDArray[Any], axes: str = "ZYX") -> PreparedStack:
    return prepare(FocalStack.from_array(planes, axes))


def worst_error(gains: NDArray[np.float64], lamp: NDArray[np.float64]) -> float:
    """Largest deviation of gain · lamp from its median, as a fraction."""
    level = gains * lamp
    return float(np.abs(level / np.median(level) - 1).max())


@pytest.mark.parametrize("photons", [500, 20000])
@pytest.mark.parametrize("kind", ["bright-sparse", "bright-dense", "texture"])
def test_lamp_drift_is_recovered_to_half_a_percent(planes_of: Draw, camera: Camera, kind: str, photons: float) -> None:
    ready = prepared(camera(planes_of(kind), lamp=LAMP, photons=photons))
    assert worst_error(np.ones(9), LAMP) > 0.04
    assert worst_error(ready.gains[:, 0], LAMP) < 0.005
    assert np.median(ready.gains) == pytest.approx(1, abs=1e-6)
    assert (ready.offsets == 0).all()


@pytest.mark.parametrize("photons", [500, 20000])
@pytest.mark.parametrize("kind", ["bright-sparse", "bright-dense", "texture", "dark-small"])
def test_objects_that_defocus_are_not_taken_for_drift(
    planes_of: Draw, camera: Camera, kind: str, photons: float
) -> None:
    ready = prepared(camera(planes_of(kind), photons=photons))
    assert np.abs(ready.gains - 1).max() < 0.005
    assert np.abs(ready.offsets).max() < 0.005 * 20000


def test_identity_is_exact_where_there_is_no_drift(planes_of: Draw, camera: Camera) -> None:
    ready = prepared(camera(planes_of("bright-sparse"), photons=20000))
    assert (ready.gains == 1).all()
    assert (ready.offsets == 0).all()


@pytest.mark.parametrize("drift", [0.0, 0.05])
def test_simulated_organoids_keep_their_level(drift: float) -> None:
    simulated = simulate(n_planes=9, height=256, width=256, photons=500, seed=3, lamp_drift=drift)
    lamp = simulated.stack.read()[:, 0].mean(axis=(1, 2)) / simulated.clean.mean(axis=(1, 2))
    assert worst_error(prepare(simulated.stack).gains[:, 0], lamp) < 0.005


def test_bleaching_of_bright_signal_is_recovered(planes_of: Draw, camera: Camera) -> None:
    # Cells all over the field, sharp in the middle planes: enough signal to tell, and little of it beyond the frame.
    bleaching = np.linspace(1.08, 0.92, 9)
    cells = 1 - planes_of("bright-dense", size=512)
    ready = prepared(camera(cells, lamp=bleaching, photons=5000, white=10000))
    assert worst_error(ready.gains[:, 0], bleaching) < 0.02
    assert worst_error(np.ones(9), bleaching) > 0.07


def test_light_lost_by_sectioning_is_not_made_up(rng: np.random.Generator) -> None:
    # A sectioning microscope sees each object in its own plane only: planes differ, and that is the specimen.
    planes = rng.normal(100, 5, (7, 256, 256))
    for z, count in enumerate((1, 4, 9, 2, 7, 1, 3)):
        for _ in range(count):
            y, x = rng.integers(0, 226, 2)
            planes[z, y : y + 30, x : x + 30] += 2000
    ready = prepared(planes.clip(0).astype(np.uint16))
    assert (ready.gains == 1).all()


def test_background_drift_under_sparse_specks_is_matched(planes_of: Draw, camera: Camera) -> None:
    rise = np.array([0, 40, -20, 10, 0, 30, -40, 0, 20])
    raw = camera(planes_of("dark-small"), photons=5000, white=3000) + rise.astype(np.uint16)[:, None, None]
    ready = prepared(raw)
    matched = raw * ready.gains[:, 0, None, None] + ready.offsets[:, 0, None, None]
    assert np.ptp(np.median(raw, axis=(1, 2))) >= 75
    assert np.ptp(np.median(matched, axis=(1, 2))) < 8


def test_one_gain_a_channel_and_none_for_alpha(planes_of: Draw, camera: Camera) -> None:
    drifting = camera(planes_of("bright-sparse"), lamp=LAMP, photons=20000)
    steady = camera(planes_of("bright-dense"), photons=20000)
    alpha = np.full_like(steady, 65535)
    alpha[0, :8] = 0
    ready = prepared(np.stack([drifting, steady, steady, alpha], axis=-1), "ZYXS")
    assert worst_error(ready.gains[:, 0], LAMP) < 0.005
    assert np.abs(ready.gains[:, 1:] - 1).max() < 0.005
    assert (ready.gains[:, 3] == 1).all()


def test_switched_off_is_off(planes_of: Draw, camera: Camera) -> None:
    ready = prepare(FocalStack.from_array(camera(planes_of("bright-sparse"), lamp=LAMP)), match_illumination=False)
    assert (ready.gains == 1).all()


def test_a_plane_without_light_is_left_out(planes_of: Draw, camera: Camera) -> None:
    lamp = np.where(np.arange(9) == 4, 0.01, 1.0)
    ready = prepared(camera(planes_of("bright-sparse"), lamp=lamp))
    assert np.flatnonzero(ready.unusable).tolist() == [4]
    assert any("Planes 4 " in notice and "light" in notice for notice in ready.notices)
    valid = ready.valid(ready.stack.whole)
    assert valid is not None
    assert not valid[4].any()
    assert np.abs(ready.gains - 1).max() < 0.005
