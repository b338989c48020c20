"""A tiny base, small stacks with truth, and a folder of models of the tests' own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import ndimage

from napari_swinfusion.focal_stack import FocalStack
from napari_swinfusion.networks import build_network
from napari_swinfusion.training.data.examples import Example
from napari_swinfusion.weights import save_model

TINY = {"stem_channels": 4, "dim": 8, "num_heads": 1, "depths": [2]}


@pytest.fixture(autouse=True)
def own_models(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep the tests' models apart from the user's."""
    folder = tmp_path_factory.mktemp("models")
    monkeypatch.setenv("SWINFUSION_MODELS", str(folder))
    return folder


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a network that has learned nothing yet."""
    torch.manual_seed(0)
    return save_model(build_network("hybrid", TINY), tmp_path_factory.mktemp("base") / "tiny.safetensors", {})


@pytest.fixture(scope="session")
def simulated() -> list[Example]:
    """Return four stacks of four planes with their true sharp images."""
    return [draw(seed) for seed in range(4)]


def draw(seed: int, side: int = 96, n_planes: int = 4) -> Example:
    """Draw a textured slope: each plane is sharp in a band of its own, and the truth everywhere."""
    rng = np.random.default_rng(seed)
    texture = ndimage.gaussian_filter(rng.normal(size=(side, side)), 1.0, mode="reflect")
    truth = 20_000 * np.clip(0.5 + 0.18 * texture / texture.std(), 0.05, 0.95)
    band = np.arange(side) * n_planes // side
    blurred = np.stack([truth] + [ndimage.gaussian_filter(truth, 1.5 * away) for away in range(1, n_planes)])
    planes = np.stack([blurred[np.abs(band - z), :, np.arange(side)].T for z in range(n_planes)])
    noisy = (planes + rng.normal(scale=100, size=planes.shape)).clip(0).astype(np.uint16)
    return Example(stack=FocalStack(data=noisy, axes="ZYX", name=f"slope {seed}"), reference=truth.astype(np.float32))
