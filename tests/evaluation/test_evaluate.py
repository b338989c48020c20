"""`evaluate` compares models on stacks of every kind, and tells what it did."""

from __future__ import annotations

import json

import numpy as np
import pytest

import napari_swinfusion as nsf
from napari_swinfusion.errors import CancelledError, InputError, ModelError
from napari_swinfusion.metrics import METRICS
from napari_swinfusion.progress import CancelToken, Progress
from napari_swinfusion.simulation import SimulatedStack
from tests.conftest import Scene


@pytest.fixture(scope="module")
def drawn() -> list[SimulatedStack]:
    return [nsf.simulate(n_planes=4, height=64, width=64, seed=seed) for seed in (1, 2)]


def test_models_are_compared_on_stacks_with_truth(drawn: list[SimulatedStack]) -> None:
    seen: list[tuple[str, str]] = []
    told: list[Progress] = []
    found = nsf.evaluate(
        ["mean", "tenengrad"],
        drawn,
        on_result=lambda model, case, result: seen.append((model, case.name)),
        progress=told.append,
    )
    names = ["simulated organoid-brightfield", "simulated organoid-brightfield (2)"]
    assert list(found.scores) == ["mean", "tenengrad"]
    assert list(found.scores["mean"]) == list(found.data_range) == names
    assert found.summary()["mean"]["psnr"].n == 2
    assert found.summary()["tenengrad"]["psnr"].mean == pytest.approx(
        np.mean([row["psnr"] for row in found.scores["tenengrad"].values()])
    )
    assert {"psnr", "depth-error", "qabf", "sd"} <= set(found.metrics)
    assert [model for model, _ in seen] == ["mean", "tenengrad"] * 2
    assert [(step.done, step.total) for step in told] == [(0, 4), (1, 4), (2, 4), (3, 4)]


def test_one_model_on_one_stack_with_chosen_metrics(scene: Scene) -> None:
    found = nsf.evaluate("tenengrad", scene.stack, metrics=["qabf", "ag"])
    assert found.metrics == ("qabf", "ag")
    told = json.loads(json.dumps(found.as_json(), allow_nan=False))
    assert told["metrics"]["ag"]["rewards_noise"]
    assert told["summary"]["tenengrad"]["qabf"]["n"] == 1
    assert told["models"]["tenengrad"] == {"name": "tenengrad", "sha256": None, "blend": "soft"}


def test_the_truth_itself_scores_without_limit(scene: Scene) -> None:
    from napari_swinfusion.evaluation import Case

    flat = nsf.FocalStack.from_array(np.stack([scene.truth, scene.truth]), "ZYX")
    found = nsf.evaluate("middle-plane", Case(stack=flat, data_range=65535, truth=scene.truth), metrics=["psnr"])
    assert found.scores["middle-plane"]["stack"]["psnr"] == float("inf")
    assert found.as_json()["scores"]["middle-plane"]["stack"]["psnr"] is None


def test_what_cannot_be_evaluated_is_told(scene: Scene) -> None:
    with pytest.raises(InputError, match=next(iter(METRICS))):
        nsf.evaluate("mean", scene.stack, metrics=["beauty"])
    with pytest.raises(InputError, match="nothing"):
        nsf.evaluate([], scene.stack)
    with pytest.raises(InputError, match="nothing"):
        nsf.evaluate("mean", [])
    with pytest.raises(ModelError, match="absent"):
        nsf.evaluate("absent.safetensors", scene.stack)
    token = CancelToken()
    token.cancel()
    with pytest.raises(CancelledError):
        nsf.evaluate("mean", scene.stack, cancel=token)
