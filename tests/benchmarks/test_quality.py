"""The benchmark measures what it says, on a handful of small stacks."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import simulated
from benchmarks.methods import make_methods, middle_plane, spread
from napari_swinfusion import compose
from napari_swinfusion.simulation import simulate


@pytest.mark.parametrize("preset", ["organoid-brightfield", "cytology"])
def test_lamp_of_the_reference_plane_is_taken_out(preset: str, rng: np.random.Generator) -> None:
    case = simulate(preset=preset, n_planes=5, height=96, width=96, photons=1e7, seed=3, lamp_drift=0.2)
    decision = rng.integers(0, 5, (96, 96))
    expected = np.take_along_axis(case.clean, decision[None], axis=0)[0]
    measured = compose(case.stack, decision)
    before = np.abs(measured.image / expected - 1).mean()
    after = np.abs(simulated._in_true_light(measured, case) / expected - 1).mean()
    assert after < 0.01
    assert after <= before


def test_simulated_part_ranks_the_methods(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulated, "PHOTONS", (20_000, 500))
    monkeypatch.setattr(simulated, "PLANES", (5,))
    monkeypatch.setattr(simulated, "SIDE", 96)
    methods = make_methods("no such network")
    found = simulated.measure(methods, textures=[])
    assert set(found["levels"]) == {"20000", "500"}
    for level in found["levels"].values():
        psnr = {name: scores["psnr"]["mean"] for name, scores in level["methods"].items()}
        assert list(psnr) == ["mean", "middle plane", "tenengrad argmax", "laplacian pyramid", "tenengrad guarded"]
        assert psnr["tenengrad guarded"] > max(psnr["mean"], psnr["middle plane"], psnr["tenengrad argmax"])
    clean, noisy = (found["levels"][key]["methods"]["tenengrad argmax"]["psnr"]["mean"] for key in ("20000", "500"))
    assert clean > noisy + 5


def test_same_scenes_at_every_photon_level() -> None:
    few, many = (simulate(n_planes=3, height=48, width=48, photons=photons, seed=5) for photons in (500, 20_000))
    assert np.array_equal(few.truth, many.truth)
    assert few.lamp == many.lamp


def test_lead_by_hand() -> None:
    rows = {
        "network soft": [{"psnr": 40.0}, {"psnr": 30.0}],
        "mean": [{"psnr": 30.0}, {"psnr": 31.0}],
        "tenengrad argmax": [{"psnr": 36.0}, {"psnr": 28.0}],
    }
    assert simulated._lead(rows, ("mean", "tenengrad argmax")) == {
        "of means": 3.0,  # 35 against 32
        "mean over best of each stack": 1.5,  # 4 and -1
        "worst stack": -1.0,
        "stacks won": 0.5,
    }


def test_spread_leaves_undefined_scores_out() -> None:
    assert spread([1.0, 3.0, float("nan")]) == {"mean": 2.0, "sd": 1.0, "least": 1.0, "most": 3.0}


def test_middle_plane_is_the_middle_plane() -> None:
    case = simulate(n_planes=5, height=48, width=48, seed=2, lamp_drift=0.0)
    result = middle_plane(case.stack)
    assert (result.decision == 2).all()
    assert np.abs(result.image.astype(float) / case.stack.read(0, plane=2)[0, 0] - 1).max() < 0.02
