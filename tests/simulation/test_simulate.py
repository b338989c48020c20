from __future__ import annotations

import math

import numpy as np
import pytest

from napari_swinfusion import simulate
from napari_swinfusion.errors import ConfigError
from napari_swinfusion.simulation import PRESETS, Acquisition, Microscope


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("bits", [8, 16])
def test_a_stack_comes_with_its_truth(preset: str, bits: int) -> None:
    made = simulate(preset=preset, n_planes=4, height=70, width=90, seed=5, bits=bits)
    assert made.stack.data.shape == (4, 70, 90)
    assert made.stack.dtype == f"uint{bits}"
    assert made.stack.metadata.z_step is not None
    assert made.truth.shape == made.depth.shape == (70, 90)
    assert made.clean.shape == (4, 70, 90)
    assert made.height.max() == pytest.approx(made.depth.max() * made.stack.metadata.z_step)
    assert made.nearest.min() >= 0
    assert made.nearest.max() <= 3
    assert np.isfinite(made.truth).all()


@pytest.mark.parametrize("preset", PRESETS)
def test_a_seed_names_a_stack(preset: str) -> None:
    first, again, other = (simulate(preset=preset, n_planes=3, height=64, width=64, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first.stack.data, again.stack.data)
    assert not np.array_equal(first.stack.data, other.stack.data)


@pytest.mark.parametrize("preset", ["reflected", "two-plane"])
def test_the_plane_nearest_in_depth_is_the_sharp_one(preset: str) -> None:
    made = simulate(preset=preset, n_planes=9, height=128, width=128, seed=3)
    nearest = made.nearest.astype(int)
    distant = np.where(nearest < 5, nearest + 4, nearest - 4)
    error = np.abs(made.clean - made.truth) / made.white
    at = [np.take_along_axis(error, plane[None], 0)[0][~made.unfocused].mean() for plane in (nearest, distant)]
    assert at[0] < 0.5 * at[1]


@pytest.mark.parametrize("preset", PRESETS)
def test_some_plane_shows_the_truth_nearly_everywhere(preset: str) -> None:
    made = simulate(preset=preset, n_planes=9, height=128, width=128, seed=3)
    error = np.abs(made.clean - made.truth) / made.white
    assert np.percentile(error.min(0)[~made.unfocused], 90) < 0.03
    assert np.percentile(error.max(0), 90) > 2 * np.percentile(error.min(0), 90)


def test_shot_noise_follows_the_photon_count() -> None:
    for photons in (500.0, 20_000.0):
        made = simulate(n_planes=4, photons=photons, lamp_drift=0, seed=2)
        grey = np.asarray(made.stack.data, float)
        light = (made.clean - 0.01 * made.white) / made.white
        relative = (grey - made.clean) / made.white
        electrons = 0.8 * photons
        assert relative.std() == pytest.approx(np.sqrt((light / electrons + (2 / electrons) ** 2).mean()), rel=0.03)


def test_without_photons_the_planes_are_clean() -> None:
    made = simulate(n_planes=3, height=64, width=64, photons=None, lamp_drift=0)
    assert np.abs(np.asarray(made.stack.data, float) - made.clean).max() <= 0.51


def test_a_microscope_of_ones_own_is_used() -> None:
    fine, coarse = (
        simulate(n_planes=5, height=64, width=64, seed=3, photons=None, microscope=Microscope(z_step=step))
        for step in (1.0, 20.0)
    )
    assert coarse.stack.metadata.z_step == 20.0
    assert np.abs(np.diff(coarse.clean, axis=0)).mean() > 3 * np.abs(np.diff(fine.clean, axis=0)).mean()
    assert not fine.unfocused.any()
    assert coarse.unfocused.mean() > 0.3


def test_planes_move_with_the_stage() -> None:
    still, moved = (
        simulate(preset="reflected", n_planes=3, height=64, width=64, seed=1, photons=None, acquisition=Acquisition(
            lamp_drift=0, lateral_drift=drift
        ))
        for drift in (0.0, 8.0)
    )  # fmt: skip
    assert np.array_equal(still.clean, moved.clean)
    assert np.abs(moved.shifts[0]).max() > 2
    assert np.abs(np.asarray(moved.stack.data[0], float) - moved.clean[0]).mean() > 0.01 * moved.white


def test_the_lamp_drifts_as_much_as_told() -> None:
    made = simulate(n_planes=6, photons=1e6, lamp_drift=0.1, seed=4)
    measured = (np.asarray(made.stack.data, float) - 0.01 * made.white).mean((1, 2))
    measured /= (made.clean - 0.01 * made.white).mean((1, 2))
    np.testing.assert_allclose(measured, made.lamp, rtol=2e-3)
    assert np.ptp(made.lamp) > 0.02
    assert max(abs(np.array(made.lamp) - 1)) <= 0.1


def test_strands_move_before_a_specimen_that_stays_as_it_is() -> None:
    options = {"preset": "reflected", "n_planes": 5, "height": 96, "width": 96, "seed": 1, "photons": None}
    bare, still, moving = (
        simulate(**options, strands=strands, strand_drift=drift)  # type: ignore[arg-type]
        for strands, drift in ((0, 0.0), (4, 0.0), (4, 3.0))
    )
    assert bare.microscope == still.microscope
    strands = np.abs(still.truth - bare.truth) > 0.02 * bare.white
    assert 0.005 < strands.mean() < 0.3
    assert np.array_equal(still.truth, moving.truth)
    changed = np.abs(still.clean - moving.clean).max(0) > 0.02 * bare.white
    assert changed.mean() > strands.mean()


def test_given_textures_are_used() -> None:
    stripes = np.tile([0.0, 0.0, 255.0, 255.0], (256, 64))
    made = simulate(preset="reflected", n_planes=2, height=96, width=96, seed=0, textures=[stripes])
    plain = simulate(preset="reflected", n_planes=2, height=96, width=96, seed=0)
    assert not np.array_equal(made.truth, plain.truth)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"preset": "organoid-brigthfield"}, "Did you mean 'organoid-brightfield'"),
        ({"n_planes": 1}, "at least 2 planes"),
        ({"bits": 12}, "8 or 16 bits"),
        ({"photons": 0}, "photons"),
        ({"strands": -1}, "Strands are 0 or more"),
        ({"strands": 1, "strand_drift": math.nan}, "drift by 0 px or more"),
    ],
)
def test_what_makes_no_stack_is_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        simulate(**options)  # type: ignore[arg-type]
