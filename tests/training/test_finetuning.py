"""What a user sees of a fine-tuning: a model of their own, or a reason why not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from safetensors.torch import load_file

import napari_swinfusion as nsf
from napari_swinfusion.errors import CancelledError, ConfigError, InputError, OutputExistsError
from napari_swinfusion.focal_stack import SpatialMetadata
from napari_swinfusion.losses.recipes import get_recipe
from napari_swinfusion.networks import list_architectures
from napari_swinfusion.simulation.microscope import Microscope
from napari_swinfusion.simulation.presets import sample_microscope
from napari_swinfusion.training import finetuning, samples
from napari_swinfusion.training.data.checks import check_data
from napari_swinfusion.training.data.examples import Example
from napari_swinfusion.training.events import Control, Wish, ask, read_events
from napari_swinfusion.training.finetuning import finetune
from napari_swinfusion.training.jobs import write_job
from napari_swinfusion.training.results import model_path
from napari_swinfusion.training.settings import FinetuneConfig
from napari_swinfusion.weights import read_header, sha256_of

QUICK: dict[str, Any] = {
    "size": 32, "planes_per_step": 6, "half": False, "simulated_share": 0.0, "warm_up": 2, "learning_rate": 2e-2,
}  # fmt: skip


@contextmanager
def wished(monkeypatch: pytest.MonkeyPatch, wish: Wish, *, at: int) -> Iterator[None]:
    """Wish for something at one step, as a watcher would through the control file."""
    steps = count(1)
    with monkeypatch.context() as patch:
        patch.setattr(Control, "wish", lambda self: wish if next(steps) == at else "resume")
        yield


def test_own_stacks_make_a_better_model_that_appears_by_name(
    simulated: list[Example], tiny_base: Path, own_models: Path
) -> None:
    events: list[dict[str, Any]] = []
    result = finetune(
        simulated, out="leaves", base=tiny_base, recipe="supervised", epochs=2, settings=QUICK, report=events.append
    )
    assert result is not None
    assert result.accepted, result.reason
    assert result.path == own_models / "leaves.safetensors"
    assert result.judgement.gain["psnr"].lower > 0
    listed = {info.name: info for info in nsf.list_models()}
    assert listed["leaves"].sha256 == result.sha256 == sha256_of(result.path)
    assert result.sha256 in result.card.read_text()
    fused = nsf.fuse(simulated[0].stack, model="leaves")
    assert fused.image.shape == (96, 96)

    names = [event["event"] for event in events]
    assert names[0] == "started"
    assert names[-2:] == ["judging", "finished"]
    assert {"progress", "validation", "preview", "checkpoint"} <= set(names)
    preview = next(event for event in events if event["event"] == "preview")
    assert preview["pages"] == ["before", "after", "decision", "truth"]
    assert tifffile.imread(preview["path"]).shape == (4, 96, 96)
    assert read_events(own_models / "leaves.training") == events

    story = read_header(result.path)["story"]
    assert story["base"]["sha256"] == sha256_of(tiny_base)
    assert {entry["role"] for entry in story["data"]["entries"]} == {"training", "held out"}
    assert len(story["data"]["entries"][0]["sha256"]) == 4
    assert [point["step"] for point in story["curve"]] == [0, 40, 80]
    assert story["finetuning"]["recipe"] == "supervised"


@pytest.mark.parametrize("with_truth", [True, False], ids=["with truth", "without"])
def test_a_bad_recipe_is_refused_and_its_model_kept_apart(
    simulated: list[Example], own_models: Path, with_truth: bool
) -> None:
    data = simulated if with_truth else [np.asarray(example.stack.data) for example in simulated]
    # Nothing but a mask that is alike everywhere: the mean of the planes, from a base that chooses.
    settings = QUICK | {"recipe_weights": {"target": 0, "detail": 0, "low_frequency": 50.0}, "learning_rate": 1e-2}
    result = finetune(data, out="bad", epochs=1, settings=settings)
    assert result is not None
    assert not result.accepted
    assert "worse than its base" in result.reason or "not clearly better" in result.reason
    assert result.path.name == "bad.rejected.safetensors"
    assert result.reason in result.card.read_text()
    assert "bad" not in [info.name for info in nsf.list_models()]
    assert not (own_models / "bad.safetensors").exists()


def test_too_few_held_out_images_are_told_as_no_proof(simulated: list[Example], tiny_base: Path) -> None:
    result = finetune(
        simulated[0], held_out=Example(stack=simulated[1].stack), out="few", base=tiny_base, epochs=1,
        settings=QUICK | {"hold_out": "half"},
    )  # fmt: skip
    assert result is not None
    assert not result.accepted


@pytest.mark.parametrize("side", [48, 64])
def test_D11_a_tiny_stack_is_watched_and_told_before_the_start_to_prove_nothing(
    simulated: list[Example], tiny_base: Path, own_models: Path, side: int
) -> None:
    events: list[dict[str, Any]] = []
    data = np.asarray(simulated[0].stack.data)[:, :side, :side]
    result = finetune(data, out="tiny", base=tiny_base, epochs=2, settings=QUICK, report=events.append)
    assert result is not None
    assert not result.accepted
    assert result.reason.startswith("Nothing could be judged")
    assert any("can tell whether the model is better" in notice for notice in events[0]["notices"])
    looks = [event for event in events if event["event"] == "validation"]
    assert len(looks) == 3
    assert all(look["scores"] and np.isfinite([look["loss"], *look["scores"].values()]).all() for look in looks)
    told = (own_models / "tiny.training" / "log.jsonl").read_text() + result.card.read_text()
    assert "nan" not in told.casefold()


def test_a_run_with_nothing_to_judge_by_is_not_ended_by_patience(simulated: list[Example], tiny_base: Path) -> None:
    empty = np.array(simulated[0].stack.data)
    empty[..., 44:] = 5000
    report = check_data(empty)
    assert any("None of the held-out crops can tell" in notice for notice in report.notices)
    result = finetune(empty, out="blind", base=tiny_base, epochs=3, settings=QUICK | {"patience": 1})
    assert result is not None
    assert result.why == "steps"
    assert not result.accepted
    assert result.reason.startswith("Nothing could be judged")


def test_D9_a_suspended_run_resumed_ends_with_the_same_bits(
    simulated: list[Example], tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options: dict[str, Any] = {"base": tiny_base, "recipe": "supervised", "epochs": 2}
    settings = QUICK | {"simulated_share": 0.3, "half": True}
    whole = finetune(simulated, out=tmp_path / "whole.safetensors", settings=settings, **options)
    broken = tmp_path / "broken.safetensors"
    with pytest.raises(CancelledError, match="suspended at step 55"), wished(monkeypatch, "suspend", at=55):
        finetune(simulated, out=broken, settings=settings, **options)
    with pytest.raises(OutputExistsError, match="unfinished"):
        finetune(simulated, out=broken, settings=settings, **options)
    with pytest.raises(InputError, match="other data or settings"):
        finetune(simulated[:3], out=broken, settings=settings, resume=True, **options)
    resumed = finetune(simulated, out=broken, settings=settings, resume=True, **options)
    assert whole is not None
    assert resumed is not None
    one, other = load_file(whole.path), load_file(resumed.path)
    assert all((one[name] == other[name]).all() for name in one)
    curves = [read_header(result.path)["story"]["curve"] for result in (whole, resumed)]
    assert curves[0] == curves[1]


def test_a_run_ends_when_asked_and_keeps_what_it_learned(
    simulated: list[Example], tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with wished(monkeypatch, "stop", at=45):
        result = finetune(simulated, out="stopped", base=tiny_base, recipe="supervised", epochs=50, settings=QUICK)
    assert result is not None
    assert result.why == "asked"
    assert result.path.exists()


def test_a_run_ends_in_time_and_when_nothing_gets_better(simulated: list[Example], tiny_base: Path) -> None:
    timed = finetune(simulated, out="timed", base=tiny_base, minutes=0.05, settings=QUICK)
    assert timed is not None
    assert timed.why in ("time", "steps")
    assert timed.seconds < 30
    still = QUICK | {"learning_rate": 1e-9, "patience": 1}
    stale = finetune(simulated, out="stale", base=tiny_base, epochs=9, settings=still)
    assert stale is not None
    assert stale.why == "no better"


def test_a_network_from_nothing_is_compared_with_the_default(simulated: list[Example]) -> None:
    tiny = {"stem_channels": 4, "dim": 8, "num_heads": 1, "depths": [2]}
    result = finetune(
        simulated, out="fresh", base=None, recipe="supervised", epochs=1, settings=QUICK | {"network": tiny}
    )
    assert result is not None
    assert not result.accepted
    assert read_header(result.path)["story"]["base"] == {
        "name": "default",
        "sha256": next(info.sha256 for info in nsf.list_models() if info.name == "default"),
        "started_from": False,
    }


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epoch": 3}, "did you mean 'epochs'"),
        ({"recipe": "microskopy"}, "did you mean 'microscopy'"),
        ({"epochs": 3, "minutes": 3}, "not both"),
        ({"minutes": -1}, "above 0"),
        ({"hold_out": "none"}, "choose auto"),
    ],
)
def test_a_setting_that_makes_no_sense_is_an_error(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        FinetuneConfig.from_dict(settings)


def test_the_loss_told_is_that_of_the_own_images_alone(
    simulated: list[Example], tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finetuning, "_TELL_EVERY", 0.0)
    events: list[dict[str, Any]] = []
    settings = QUICK | {"simulated_share": 0.5}
    finetune(simulated, out="curve", base=tiny_base, epochs=0.5, settings=settings, report=events.append)
    told = [event for event in events if event["event"] == "progress"]
    own = [event for event in told if event["loss"] is not None]
    replayed = [event for event in told if event["simulated"] is not None]
    assert len(own) + len(replayed) == len(told) == 20
    assert own
    assert replayed
    weights = get_recipe("microscopy").weights
    for event in own:
        assert event["loss"] == pytest.approx(sum(weights[name] * value for name, value in event["terms"].items()))
    assert not any(event["terms"] for event in replayed)


@pytest.mark.parametrize(
    ("stated", "drawn"), [((0.5, 0.3), {0.5, 0.3}), ((0.5, None), None)], ids=["stated", "one unknown"]
)
def test_simulated_stacks_are_seen_with_the_pixel_size_of_the_own(
    simulated: list[Example],
    tiny_base: Path,
    monkeypatch: pytest.MonkeyPatch,
    stated: tuple[float | None, ...],
    drawn: set[float] | None,
) -> None:
    seen: list[float] = []

    def drawing(*given: Any) -> Microscope:
        microscope = sample_microscope(*given)
        seen.append(round(microscope.pixel_size, 6))
        return microscope

    monkeypatch.setattr(samples, "sample_microscope", drawing)
    data = [
        replace(example.stack, metadata=SpatialMetadata(pixel_size=None if size is None else (size, size)))
        for example, size in zip(simulated, stated, strict=False)
    ]
    finetune(data, out="sampled", base=tiny_base, epochs=0.5, settings=QUICK | {"simulated_share": 0.9})
    assert len(seen) > 10
    assert set(seen) == drawn if drawn else len(set(seen)) > 2


def test_a_frozen_part_does_not_learn(simulated: list[Example], tiny_base: Path) -> None:
    settings = QUICK | {"frozen": ["stem"], "layer_decay": 0.5, "epochs": 1}
    result = finetune(simulated, out="frozen", base=tiny_base, recipe="supervised", settings=settings)
    assert result is not None
    assert result.why == "steps"
    assert read_header(result.path)["story"]["steps"] == 40
    before, after = load_file(tiny_base), load_file(result.path)
    unchanged = {name for name in before if (before[name] == after[name]).all()}
    assert {name for name in before if name.startswith("stem")} <= unchanged
    assert "mix.weight" not in unchanged
    with pytest.raises(ConfigError, match="no part 'steam'"):
        finetune(simulated, out="steam", base=tiny_base, settings={"frozen": ["steam"]})


def test_every_architecture_is_known_to_the_settings() -> None:
    for architecture in list_architectures():
        assert FinetuneConfig(base=None, architecture=architecture).architecture == architecture


def start_job(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "napari_swinfusion.training", str(folder)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def test_D8_a_killed_child_process_is_resumed_by_the_same_command(
    simulated: list[Example], tiny_base: Path, tmp_path: Path
) -> None:
    config = FinetuneConfig(
        base=str(tiny_base), recipe="supervised", epochs=3, checkpoint_seconds=0.01, **QUICK
    )  # fmt: skip
    folder = write_job(tmp_path / "run", simulated, config, model_path(tmp_path / "mine.safetensors"))
    child = start_job(folder)
    assert child.stdout is not None
    for line in child.stdout:
        if json.loads(line)["event"] == "checkpoint":
            break
    child.send_signal(signal.SIGKILL)
    child.communicate()
    again = start_job(folder)
    deadline = time.monotonic() + 100
    out, err = again.communicate(timeout=deadline - time.monotonic())
    assert again.returncode == 0, err
    events = [json.loads(line) for line in out.splitlines()]
    assert events[0]["event"] == "started"
    assert events[0]["step"] >= 1
    assert events[-1]["event"] == "finished"
    assert (tmp_path / "mine.safetensors").exists() == events[-1]["accepted"]


def test_a_child_process_obeys_the_control_file_and_tells_its_errors(
    simulated: list[Example], tiny_base: Path, tmp_path: Path
) -> None:
    config = FinetuneConfig(base=str(tiny_base), epochs=500, **QUICK)
    folder = write_job(tmp_path / "run", simulated, config, model_path(tmp_path / "mine.safetensors"))
    child = start_job(folder)
    assert child.stdout is not None
    seen = []
    for line in child.stdout:
        event = json.loads(line)
        seen.append(event["event"])
        if event["event"] == "progress" and "paused" not in seen:
            ask(folder, "pause")
        elif event["event"] == "paused":
            ask(folder, "resume")
        elif event["event"] == "resumed":
            ask(folder, "suspend")
    assert child.wait() == 130
    assert [name for name in seen if name in ("paused", "resumed", "suspended")] == ["paused", "resumed", "suspended"]

    lost = write_job(tmp_path / "lost", simulated, FinetuneConfig(base="no-such-model"), tmp_path / "x.safetensors")
    child = start_job(lost)
    out, _ = child.communicate()
    last = json.loads(out.splitlines()[-1])
    assert child.returncode == 1
    assert last["event"] == "error"
    assert "no-such-model" in last["text"]
    assert last["kind"] == "ModelError"
