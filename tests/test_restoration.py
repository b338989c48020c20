"""The optional pass after fusion: what it changes, what it leaves, and what it says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from napari_swinfusion import FocalStack, FusedImage, fuse, restore
from napari_swinfusion.decide.network import NetworkDecider
from napari_swinfusion.errors import CancelledError, InputError, ModelError
from napari_swinfusion.networks import Restormer, build_network
from napari_swinfusion.progress import CancelToken, Progress
from napari_swinfusion.weights import save_model

TINY = {"dim": 4, "depths": [1, 1], "num_heads": [1, 2], "refinement_depth": 0, "n_sources": 1}


def painter(**config: Any) -> Restormer:
    torch.manual_seed(0)
    network = build_network("restormer", TINY | config)
    assert isinstance(network, Restormer)
    return network


@pytest.fixture
def fused(rng: np.random.Generator) -> FusedImage:
    return fuse(rng.integers(0, 4000, (3, 41, 52), dtype=np.uint16), model="mean")


def test_values_are_painted_and_everything_else_stays(fused: FusedImage, tmp_path: Path) -> None:
    path = save_model(painter(), tmp_path / "denoise.safetensors", {})
    before = fused.image.copy()
    restored = restore(fused, path, device="cpu")
    assert (restored.image.shape, restored.image.dtype, restored.axes) == (fused.image.shape, np.uint16, "YX")
    assert not np.array_equal(restored.image, before)
    assert np.array_equal(fused.image, before)
    assert restored.decision is fused.decision
    assert restored.provenance["restoration"]["model"]["name"] == "denoise"
    assert restored.provenance["restoration"]["model"]["value_preserving"] is False
    assert len(restored.provenance["restoration"]["model"]["sha256"]) == 64
    assert "none of them was measured" in restored.notices[-1]
    assert "restoration" not in fused.provenance
    json.dumps(restored.provenance)


def test_a_network_that_adds_nothing_changes_nothing(fused: FusedImage) -> None:
    """The levels go into the network's scale and back without a step lost."""
    network = painter()
    network.paint.weight.data.zero_()
    restored = restore(fused, NetworkDecider(network, device="cpu"))
    assert np.array_equal(restored.image, fused.image)


def test_channels_and_colours_are_restored_each_and_alpha_is_left(rng: np.random.Generator) -> None:
    stack = FocalStack.from_array(rng.integers(0, 255, (2, 3, 24, 20, 4), dtype=np.uint8), "CZYXS")
    fused = fuse(stack, model="mean")
    restored = restore(fused, NetworkDecider(painter(), device="cpu")).image
    assert np.array_equal(restored[..., 3], fused.image[..., 3])
    changed = (restored != fused.image).any((1, 2))
    assert changed[:, :3].all()


def test_pixels_that_are_not_finite_stay(rng: np.random.Generator) -> None:
    planes = rng.random((2, 24, 20), dtype=np.float32)
    planes[:, 3, 4] = np.nan
    restored = restore(fuse(planes, model="mean"), NetworkDecider(painter(), device="cpu"))
    assert np.isnan(restored.image[3, 4])
    assert np.isfinite(restored.image).sum() == 24 * 20 - 1


def test_progress_rises_and_cancel_stops(fused: FusedImage) -> None:
    heard: list[Progress] = []
    restore(fused, NetworkDecider(painter(), device="cpu"), progress=heard.append)
    assert heard[-1].done == heard[-1].total
    token = CancelToken()
    token.cancel()
    with pytest.raises(CancelledError):
        restore(fused, NetworkDecider(painter(), device="cpu"), cancel=token)


def test_what_cannot_restore_is_refused(fused: FusedImage) -> None:
    with pytest.raises(ModelError, match="'default' chooses among planes"):
        restore(fused, "default", device="cpu")
    with pytest.raises(InputError, match="takes 2 planes, not 1"):
        restore(fused, NetworkDecider(painter(n_sources=2), device="cpu"))
