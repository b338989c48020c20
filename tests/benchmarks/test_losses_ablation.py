"""The ablation trains and judges what it says, on a handful of small samples."""

from __future__ import annotations

import pytest
import torch

from benchmarks import losses
from napari_swinfusion.simulation import PRESETS


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(losses, "PRESETS", {"two-plane": PRESETS["two-plane"]})
    monkeypatch.setattr(losses, "PLANES", (3,))
    monkeypatch.setattr(losses, "SIDE", 64)
    monkeypatch.setattr(losses, "CROP", 64)


def test_every_term_of_microscopy_is_left_out_once() -> None:
    chosen = losses.variants()
    listed = chosen["microscopy"].recipe.weights
    assert listed["focus"] == 0
    for term in ("target", "detail", "low_frequency", "total_variation", "binarisation"):
        assert chosen[f"microscopy without {term}"].recipe.weights == {**listed, term: 0.0}


def test_variants_share_samples_and_first_weights_and_end_in_one_table() -> None:
    chosen = {name: losses.variants()[name] for name in ("microscopy", "supervised")}
    chosen["microscopy again"] = chosen["microscopy"]
    asked = losses.answers(chosen, losses.train(chosen, steps=2))
    planes = torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(0))
    images = {name: answer(planes)[0] for name, answer in asked.items()}
    assert torch.equal(images["microscopy"], images["microscopy again"])
    assert not torch.equal(images["microscopy"], images["supervised"])
    found = losses.judge_with_truth(asked, textures=[])
    assert (
        found["20000"]["the soft target itself"]["psnr"]["mean"] > found["20000"]["mean of the planes"]["psnr"]["mean"]
    )
    rows = losses.table({"simulated": found}).splitlines()
    assert [row.split(" | ")[0].strip("| ") for row in rows[2:]] == list(asked)


def test_a_sharp_noisy_image_keeps_all_and_a_mean_little_of_either() -> None:
    generator = torch.Generator().manual_seed(0)
    scene = torch.full((64, 64), 0.5)
    scene[:, 40:] = torch.rand(64, 24, generator=generator)
    planes = scene + 0.01 * torch.randn(9, 64, 64, generator=generator)
    planes[1:, :, 40:] = 0.5
    judge = losses._kept(planes)
    (detail,), (noise,) = judge(planes[0])
    assert detail == pytest.approx(1, abs=0.05)
    assert noise == pytest.approx(1, abs=0.05)
    (detail,), (noise,) = judge(planes.mean(0))
    assert detail < 0.1
    assert noise == pytest.approx(1 / 3, abs=0.05)
