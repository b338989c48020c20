"""`swinfusion train` does what `finetune` does, and says it in the right place."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from typer.testing import CliRunner, Result

from napari_swinfusion.cli.app import app
from napari_swinfusion.io import write_stack
from napari_swinfusion.networks import build_network
from napari_swinfusion.training.tensorboard import scalars, tensorboard_report
from napari_swinfusion.weights import save_model

SETTINGS = json.dumps(
    {"size": 32, "planes_per_step": 6, "half": False, "simulated_share": 0.0, "learning_rate": 0.02, "warm_up": 2}
)


def run(*arguments: object) -> Result:
    """Run the command line in this process."""
    return CliRunner().invoke(app, ["train", *(str(argument) for argument in arguments)])


@pytest.fixture
def data(tmp_path: Path, scene: Any) -> Path:
    """Return a folder of one stack with its sharp reference."""
    folder = tmp_path / "data"
    folder.mkdir()
    # Long enough for one half to be cut into several held-out crops.
    planes, truth = (np.concatenate([part, part[..., ::-1, :]], axis=-2) for part in (scene.stack.data, scene.truth))
    write_stack(replace(scene.stack, data=planes), folder / "slope-stack.ome.tif")
    tifffile.imwrite(folder / "slope-truth.tif", truth)
    return folder


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """Return a network that has learned nothing."""
    torch.manual_seed(0)
    tiny = {"stem_channels": 4, "dim": 8, "num_heads": 1, "depths": [2]}
    return save_model(build_network("hybrid", tiny), tmp_path / "tiny.safetensors", {})


def test_a_folder_becomes_a_model(data: Path, base: Path, tmp_path: Path) -> None:
    out = tmp_path / "mine.safetensors"
    done = run(
        data, "-o", out, "--base", base, "--recipe", "supervised", "--epochs", 2, "--settings", SETTINGS, "--json"
    )
    assert done.exit_code == 0, done.output
    summary = json.loads(done.stdout)
    assert summary["accepted"]
    assert summary["path"] == str(out)
    assert summary["gain"]["psnr"][1] > 0
    again = run(data, "-o", out, "--base", base)
    assert again.exit_code == 1
    assert "exists already" in again.stderr


def test_a_model_that_is_not_better_is_an_exit_status(data: Path, base: Path, tmp_path: Path) -> None:
    settings = json.dumps(json.loads(SETTINGS) | {"learning_rate": 1e-9})
    done = run(data, "-o", tmp_path / "same.safetensors", "--base", base, "--epochs", 1, "--settings", settings)
    assert done.exit_code == 1
    assert "put aside" in done.stderr
    assert (tmp_path / "same.rejected.safetensors").exists()


def test_a_dry_run_says_what_would_happen_and_writes_nothing(data: Path, base: Path, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    done = run(data, "-o", tmp_path / "mine.safetensors", "--base", base, "--minutes", 3, "--dry-run")
    assert done.exit_code == 0, done.output
    for line in ("training  slope: 5 planes", "held out  slope", "s a step", "GiB at the peak", "held-out crops"):
        assert line in done.stdout
    assert sorted(tmp_path.rglob("*")) == before


def test_a_dry_run_lists_what_is_wrong(data: Path, tmp_path: Path) -> None:
    (data / "broken.tif").write_bytes(b"no tiff")
    done = run(data, "-o", tmp_path / "mine.safetensors", "--dry-run")
    assert done.exit_code == 1
    assert "problem   broken.tif" in done.stdout


def test_settings_that_are_no_json_are_told(data: Path, tmp_path: Path) -> None:
    done = run(data, "-o", tmp_path / "mine.safetensors", "--settings", "size=32")
    assert done.exit_code == 1
    assert "not JSON" in done.stderr


def test_tensorboard_gets_the_curves(tmp_path: Path) -> None:
    progress = {"event": "progress", "step": 3, "loss": 1.0, "simulated": None, "rate": 0.1, "terms": {"target": 0.5}}
    assert scalars(progress | {"loss": None, "simulated": -4.0, "terms": {}}) == {
        "training/simulated": -4.0,
        "training/rate": 0.1,
    }
    assert scalars(progress) == {"training/loss": 1.0, "training/rate": 0.1, "training/target": 0.5}
    assert scalars({"event": "validation", "step": 3, "loss": 2.0, "scores": {"psnr": 30.0}}) == {
        "validation/loss": 2.0,
        "validation/psnr": 30.0,
    }
    pytest.importorskip("tensorboard", reason="tensorboard is an extra")
    tensorboard_report(tmp_path)(progress)
    assert any(tmp_path.iterdir())
