from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from napari_swinfusion import load_model
from napari_swinfusion.networks import build_network
from napari_swinfusion.training.loop import TrainingConfig, train
from napari_swinfusion.training.samples import draw_batch, draw_length
from napari_swinfusion.training.textures import bundled_textures, file_textures

TINY = {"stem_channels": 4, "dim": 8, "num_heads": 1, "depths": [2]}
CONFIG = TrainingConfig(
    steps=8, planes_per_step=6, size=32, late_size=32, warm_up=2, checkpoint_every=4, half=False, learning_rate=3e-3
)


@pytest.fixture(scope="module")
def textures() -> dict[str, Tensor]:
    return bundled_textures()


def test_training_makes_a_better_network(textures: dict[str, Tensor], tmp_path: Path) -> None:
    torch.manual_seed(0)
    lines: list[dict[str, float]] = []
    config = replace(CONFIG, steps=90, checkpoint_every=30, planes_per_step=12, average=0.9)
    path = train(build_network("hybrid", TINY), textures, config, tmp_path, report=lines.append)
    assert [line["step"] for line in lines] == [30, 60, 90]
    assert lines[-1]["image"] < lines[0]["image"] - 0.1
    assert [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()] == lines
    trained = load_model(path)
    torch.manual_seed(0)
    fresh = build_network("hybrid", TINY)
    batch = draw_batch(
        torch.Generator().manual_seed(99), n=6, size=64, planes_per_step=24, textures=list(textures.values())
    )
    with torch.no_grad():
        error = [float((network(batch.planes).image - batch.truth).abs().mean()) for network in (fresh, trained)]
    assert error[1] < error[0]


def test_a_resumed_run_ends_with_the_same_bits(textures: dict[str, Tensor], tmp_path: Path) -> None:
    def run(folder: Path, steps: int) -> None:
        torch.manual_seed(3)
        network = build_network("hybrid", TINY)
        train(network, textures, replace(CONFIG, steps=CONFIG.steps), folder, until=steps)

    run(tmp_path / "unbroken", 8)
    run(tmp_path / "broken", 4)
    run(tmp_path / "broken", 8)
    ends = [load_model(tmp_path / name / "model.safetensors").state_dict() for name in ("unbroken", "broken")]
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])
    lines = [(tmp_path / name / "log.jsonl").read_text().splitlines() for name in ("unbroken", "broken")]
    losses = [[json.loads(line)["loss"] for line in part] for part in lines]
    assert losses[0] == losses[1]


def test_two_processes_train_one_network(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command += ["-m", "napari_swinfusion.training", "-o", str(tmp_path), "--steps", "3", "--config", json.dumps(TINY)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=200, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["processes"] == 2
    assert load_model(tmp_path / "model.safetensors").config.to_dict()["dim"] == 8


def test_samples_are_what_a_network_will_meet(textures: dict[str, Tensor]) -> None:
    generator = torch.Generator().manual_seed(0)
    seen = set()
    for _ in range(12):
        n = draw_length(generator)
        batch = draw_batch(generator, n=n, size=48, planes_per_step=12, textures=list(textures.values()))
        b, _, h, w = batch.planes.shape
        seen.add(n)
        assert batch.planes.shape[1] == n
        assert (h, w) == (48, 48)
        assert 2 <= n <= 12
        assert batch.clean.shape == batch.planes.shape
        assert batch.truth.shape == (b, h, w)
        assert all(torch.isfinite(part).all() for part in (batch.planes, batch.clean, batch.truth, batch.noise))
        assert -2 < batch.planes.median() < 2
    assert len(seen) > 3


def test_textures_come_from_files_too(real_data: Path) -> None:
    found = file_textures(
        [real_data / "micro_sharp" / "skimage_coins.png", real_data / "micro_sharp" / "BPAE_actin_float32.tif"]
    )
    for texture in found.values():
        assert texture.dtype == torch.float32
        assert texture.ndim == 2
        assert texture.min() >= 0
        assert texture.max() <= 1
        assert texture.std() > 0.02
