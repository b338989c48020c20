"""The benchmark measures what it says, on a handful of small stacks and on hand-made ones."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import ndimage

from benchmarks import background, defocus_spread, goals, moving, real, report, robustness, scenes, simulated, specks
from benchmarks.methods import Contest, decision_steps, make_contest, spread, table
from napari_swinfusion import fuse
from napari_swinfusion.decide.registry import make_decider
from napari_swinfusion.simulation import PRESETS, simulate

FEW = Contest(networks={"default": make_decider("variance")}, classical=("mean", "tenengrad-argmax"))


def test_networks_that_ship_are_judged() -> None:
    assert "default" in make_contest().networks


def test_scenes_keep_their_seeds_whatever_else_is_asked_for() -> None:
    everything = list(scenes.scenes())
    assert len({scene.seed for scene in everything}) == len(everything) == len(PRESETS) * len(scenes.PLANES)
    assert set(scenes.scenes(presets=("cytology",), planes=(9,))) <= set(everything)
    assert all(
        {scene.from_images for scene in everything if scene.preset == preset} == {True, False} for preset in PRESETS
    )


def test_simulated_part_ranks_the_methods(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulated, "QUICK_PLANES", (5,))
    monkeypatch.setattr(simulated, "QUICK_LEVELS", ("20000", "500"))
    monkeypatch.setattr(scenes, "SIDE", 64)
    monkeypatch.setattr(scenes, "PRESETS", {"reflected": PRESETS["reflected"]})
    contest = Contest(networks=FEW.networks)
    found = simulated.measure(contest, [], quick=True)
    assert set(found["levels"]) == {"20000", "500"}
    for level in found["levels"].values():
        psnr = {name: scores["psnr"]["mean"] for name, scores in level["methods"].items()}
        assert psnr[simulated.ORACLE] > psnr["tenengrad-argmax"]
        assert set(level["lead"]["default"]["over the best comparator"]["by preset"]) == {"reflected"}
    clean, noisy = (found["levels"][key]["methods"]["tenengrad-argmax"]["psnr"]["mean"] for key in ("20000", "500"))
    assert clean > noisy + 5
    assert "reflected" in report.TABLES["simulated"](found)


def test_lead_by_hand() -> None:
    def row(preset: str, **psnr: float) -> tuple:
        scene = scenes.Scene(preset=preset, n_planes=2, seed=0, from_images=False)
        return scene, {name: {"psnr": value} for name, value in psnr.items()}

    rows = [row("a", own=40.0, mean=30.0, other=36.0), row("b", own=30.0, mean=31.0, other=28.0)]
    assert simulated._lead(rows, "own", ("mean", "other")) == {
        "of means": 3.0,  # 35 against 32
        "by preset": {"a": 4.0, "b": -1.0},
        "mean over best of each stack": 1.5,
        "worst stack": -1.0,
        "stacks won": 0.5,
    }


def test_background_lies_away_from_detail_and_steps_are_counted() -> None:
    case = simulate(n_planes=5, height=96, width=96, seed=4, photons=None)
    empty = background.flat_background(case)
    assert empty.sum() > 100
    assert case.truth[empty].std() < 0.1 * case.white
    decision = np.array([[0, 0, 3], [1, 1, 3]])
    mask = np.array([[True, True, True], [True, True, False]])
    # Pairs down: 0-1, 0-1; across: 0-0, 0-3, 1-1. One of five is more than a plane apart.
    assert decision_steps(decision, mask) == pytest.approx(1 / 5)


def test_edge_band_reaches_one_blur_radius() -> None:
    depth = np.zeros((40, 60))
    depth[:, 30:] = 4
    depth[20:, :15] += np.linspace(0, 0.9, 15)
    microscope = SimpleNamespace(z_step=2.0, blur_radius=lambda distance: 0.75 * distance)
    case = SimpleNamespace(depth=depth, stack=SimpleNamespace(n_planes=5), microscope=microscope)
    band = defocus_spread.edge_band(case)
    # A jump of 4 planes of 2 µm blurs by 4 · 0.75 · 2 = 6 px, from both pixels of the edge.
    assert (np.nonzero(band[10])[0] == np.arange(29 - 6, 30 + 6 + 1)).all()
    assert (band == band[0]).all()


def test_the_moving_part_judges_where_the_movement_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moving, "PRESETS", ("reflected",))
    monkeypatch.setattr(moving, "PLANES", (5,))
    monkeypatch.setattr(moving, "LEVELS", {"noise-free": None})
    monkeypatch.setattr(scenes, "SIDE", 64)
    still, case = (next(scenes.scenes(("reflected",), (5,))).take(None, [], strands=4, strand_drift=d) for d in (0, 3))
    assert 0.05 < moving.where_seen(still, case).mean() < 0.9
    assert np.array_equal(still.truth, case.truth)
    found = moving.measure(FEW, [])["noise-free"]
    # Its truth is what the planes show that have the strands in focus, so choosing is better than the mean.
    assert found["methods"]["tenengrad-argmax"]["rmse"]["mean"] < found["methods"]["mean"]["rmse"]["mean"]
    assert "noise-free" in report.TABLES["moving"]({"noise-free": found})


def test_real_parts_are_found_and_the_sharpest_plane_scores_one(rng: np.random.Generator) -> None:
    planes = 0.5 + 0.002 * rng.normal(size=(3, 160, 200))
    texture = ndimage.gaussian_filter(rng.normal(size=(60, 60)), 1.0)
    planes[1, 50:110, 70:130] += 0.5 * texture
    planes[0, 50:110, 70:130] += ndimage.gaussian_filter(0.5 * texture, 2)
    parts = real.find_parts(planes)
    assert parts.objects.max() == 1
    assert (parts.objects[55:105, 75:125] == 1).all()
    assert not parts.background[40:120, 60:140].any()
    assert parts.background[:10].all()
    judge = real._Sharpest(planes, parts)
    result = SimpleNamespace(decision=np.zeros((160, 200), dtype=np.uint8))
    same = judge.compare(planes[1], result)
    whole = {"mean": 1.0, "least": 1.0, "sharp": 1.0}
    assert same["objects"] == same["rims"] == same["cells"] == whole
    assert "large less noise" not in same
    assert same["grain"] == pytest.approx(1, abs=0.05)
    assert judge.compare(planes.mean(axis=0), result)["objects"]["mean"] < 0.5
    assert judge.compare(planes.mean(axis=0), result)["grain"] == pytest.approx(3**-0.5, abs=0.05)


def test_debris_is_judged_apart_from_what_is_large(rng: np.random.Generator) -> None:
    planes = 0.5 + 0.002 * rng.normal(size=(2, 160, 240))
    sharp = 0.5 * ndimage.gaussian_filter(rng.normal(size=(60, 60)), 1.0)
    planes[0, 50:110, 50:110] += sharp
    planes[1, 60:90, 190:220] += sharp[:30, :30]
    parts = real.find_parts(planes)
    assert parts.objects.max() == 2
    assert np.unique(parts.large).size == 2
    judged = real._Sharpest(planes, parts).compare(planes[0], SimpleNamespace(decision=np.zeros((160, 240), np.uint8)))
    assert judged["objects less noise"]["least"] < 0.1
    assert judged["large less noise"]["least"] == 1


@pytest.mark.parametrize("harm", robustness.HARMS)
def test_harms_leave_the_truth_within_reach(harm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(robustness, "SIDE", 64)
    case = simulate(n_planes=5, height=64, width=64, seed=2)
    changed = robustness.HARMS[harm](case)
    assert changed.stack.n_planes == len(changed.lamp)
    assert changed.stack.n_planes >= case.stack.n_planes
    before, after = (simulated.judge(fuse(c.stack, model="mean"), c)["psnr"] for c in (case, changed))
    assert after == pytest.approx(before, abs=0.2)


def test_spread_and_table_leave_undefined_scores_out() -> None:
    assert spread([1.0, 3.0, float("nan")]) == {"mean": 2.0, "sd": 1.0, "least": 1.0, "most": 3.0}
    rows = {"method": [{"psnr": 30.0}, {"psnr": float("inf")}, {"psnr": 32.0}]}
    assert table(rows) == {"method": {"psnr": {"mean": 31.0, "sd": 1.0, "n": 2}}}


@pytest.fixture
def kept() -> dict:
    """Return the results that the repository keeps."""
    found = {path.stem: json.loads(path.read_text()) for path in (Path(report.RESULTS) / "quality").glob("*.json")}
    if not found:
        pytest.skip("no results are kept yet; make bench-quality")
    return found


def test_the_page_says_what_the_kept_results_say(kept: dict) -> None:
    assert report.measured(kept) in report.PAGE.read_text(encoding="utf-8")


def test_goals_are_told_of_all_that_is_kept(kept: dict) -> None:
    assert goals.check_goals(kept)


def test_goals_compare_in_the_right_direction() -> None:
    assert goals.Goal(what="", asked=0.85, measured=0.8, at_least=False).met
    assert not goals.Goal(what="", asked=53, measured=52.9, at_least=True).met


def test_specks_are_small_dark_enough_and_alone() -> None:
    truth = np.full((120, 120), 800.0, np.float32)
    truth[30:33, 30:33] -= 100
    truth[30:33, 80:83] -= 20  # too faint
    truth[80:90, 30:40] -= 100  # too large
    truth[80:83, 80:83] -= 100  # two of them
    truth[80:83, 86:89] -= 100
    truth[60:63, 2:5] -= 100  # at the border
    (speck,) = specks.find_specks(SimpleNamespace(truth=truth, white=1000.0))
    (rows, columns), own = speck
    assert truth[rows, columns][own].tolist() == [700.0] * 9
    faded = (truth + 800) / 2
    assert specks._contrast(faded, speck) / specks._contrast(truth, speck) == pytest.approx(0.5)


def test_specks_fade_where_planes_are_averaged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(specks, "ROUNDS", 6)
    monkeypatch.setattr(specks, "PHOTONS", (20_000,))
    kept = specks.measure(FEW, [])["20000"]["methods"]
    assert kept["mean"]["kept"]["mean"] < 0.6 < kept["tenengrad-argmax"]["kept"]["mean"]
