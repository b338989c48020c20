"""Scores are those of the metrics, in one light and in grey."""

from __future__ import annotations

import numpy as np
import pytest

from napari_swinfusion import FocalStack, compose, fuse
from napari_swinfusion.errors import InputError
from napari_swinfusion.evaluation import Case, score, simulated_case, summarise
from napari_swinfusion.evaluation.scoring import gather
from napari_swinfusion.metrics import METRICS
from napari_swinfusion.metrics.reference import psnr
from napari_swinfusion.simulation import simulate
from tests.conftest import Scene


@pytest.mark.parametrize("preset", ["organoid-brightfield", "cytology"])
def test_lamp_of_the_reference_plane_is_taken_out(preset: str, rng: np.random.Generator) -> None:
    drawn = simulate(preset=preset, n_planes=5, height=96, width=96, photons=None, seed=3, lamp_drift=0.2)
    decision = rng.integers(0, 5, (96, 96))
    expected = np.take_along_axis(drawn.clean, decision[None], axis=0)[0]
    measured = compose(drawn.stack, decision)
    before = np.abs(measured.image / expected - 1).mean()
    after = np.abs(gather(measured, simulated_case(drawn)).fused / expected - 1).mean()
    assert after < 0.01
    assert after <= before


def test_all_that_can_be_measured_is(scene: Scene) -> None:
    case = Case(stack=scene.stack, data_range=65535, truth=scene.truth, depth=scene.depth.astype(float))
    found = score(fuse(scene.stack, model="tenengrad"), case)
    pairs = {name for name, metric in METRICS.items() if metric.pairs_only}
    # The scene has detail everywhere, and is too small for five scales.
    assert set(METRICS) - set(found) == pairs | {"psnr-flat", "ms-ssim"}
    expected = psnr(fuse(scene.stack, model="tenengrad").image, scene.truth, data_range=65535)
    assert found["psnr"] == pytest.approx(expected)
    without = score(fuse(scene.stack, model="mean"), Case(stack=scene.stack, data_range=65535))
    assert not {"psnr", "ssim", "depth-error"} & set(without)


def test_colours_are_judged_by_luminance(scene: Scene) -> None:
    shares = np.array([0.2126, 0.7152, 0.0722])
    colours = np.stack([np.asarray(scene.stack.data) * factor for factor in (0.2, 0.5, 0.9)], axis=-1)
    stack = FocalStack.from_array(colours, "ZYXS")
    truth = np.stack([scene.truth * factor for factor in (0.2, 0.5, 0.9)], axis=-1)
    result = fuse(stack, model="tenengrad-argmax", match_illumination=False)
    evidence = gather(result, Case(stack=stack, data_range=65535, truth=truth))
    assert evidence.truth == pytest.approx(truth @ shares)
    assert evidence.fused == pytest.approx(result.image @ shares)
    assert evidence.sources is not None
    assert evidence.sources == pytest.approx(colours @ shares)


def test_channels_count_alike(scene: Scene) -> None:
    data = np.asarray(scene.stack.data, dtype=np.float32)
    stack = FocalStack.from_array(np.stack([data, 0.5 * data]), "CZYX")
    result = fuse(stack, model="mean", match_illumination=False)
    evidence = gather(result, Case(stack=stack, data_range=65535, truth=np.stack([scene.truth, scene.truth * 0.5])))
    assert evidence.truth == pytest.approx(0.75 * scene.truth)
    assert evidence.fused == pytest.approx(result.image.mean(axis=0))


def test_time_series_are_refused(scene: Scene) -> None:
    stack = FocalStack.from_array(np.stack([scene.stack.data] * 2), "TZYX")
    with pytest.raises(InputError, match="time"):
        score(fuse(stack, model="mean"), Case(stack=stack, data_range=65535))


def test_summary_by_hand() -> None:
    found = summarise([{"psnr": 30.0, "ssim": 1.0}, {"psnr": 34.0}, {"psnr": float("inf")}])
    assert (found["psnr"].mean, found["psnr"].sd, found["psnr"].n) == (32.0, 2.0, 2)
    assert found["ssim"].n == 1
