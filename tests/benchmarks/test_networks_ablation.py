from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from benchmarks import losses, networks
from napari_swinfusion.networks.blocks.mergers import MERGERS
from napari_swinfusion.networks.blocks.mixers import MIXERS

SMALL = networks.Entry("hybrid", {"stem_channels": 2, "dim": 8, "depths": [1], "num_heads": 1})


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Judge on one small stack a light level."""
    monkeypatch.setattr(losses, "PRESETS", {"two-plane": losses.PRESETS["two-plane"]})
    monkeypatch.setattr(losses, "PLANES", (2,))
    monkeypatch.setattr(losses, "SIDE", 64)
    monkeypatch.setattr(networks, "real_images", lambda: None)
    monkeypatch.setattr(networks, "PROFILE_SIDE", 32)


def test_every_merger_and_mixer_is_a_row() -> None:
    rows = networks.entries()
    assert {f"merger {name}" for name in MERGERS} | {f"mixer {name}" for name in MIXERS} <= set(rows)


def test_networks_of_equal_budget_get_quality_and_cost_in_one_table(tmp_path: Path) -> None:
    said: list[str] = []
    chosen = {"one": SMALL, "a pair's": networks.Entry("restormer-lite")}
    rows = networks.compare(chosen, 0.01, tmp_path, said.append)
    assert len(said) == 2
    results = {"minutes": 0.01 / 60, "networks": json.loads(json.dumps(rows))}
    text = networks.page(results)
    lines = {line.split(" | ")[0]: line for line in text.splitlines() if line.startswith("| ")}
    assert set(lines) >= {"| one", "| a pair's", "| mean of the planes"}
    assert f"{rows['one']['cost']['parameters']:,}" in lines["| one"]


def test_a_stopped_run_goes_on_with_what_was_trained(tmp_path: Path) -> None:
    first, steps = networks.trained("one, again", SMALL, 0.01, tmp_path)
    second, again = networks.trained("one, again", SMALL, 0.01, tmp_path)
    assert steps == again >= 1
    for before, after in zip(first.state_dict().values(), second.state_dict().values(), strict=True):
        assert torch.equal(before, after)
