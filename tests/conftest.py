"""What all tests share: real images, small synthetic stacks, fixed seeds and one thread a test process."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator

# Before anything imports torch: several test processes share the machine, and sums must not depend on the core count.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from numpy.typing import NDArray
from scipy import ndimage

from napari_swinfusion.focal_stack import FocalStack, SpatialMetadata

ROOT = Path(__file__).resolve().parent.parent

settings.register_profile("repeatable", derandomize=True, deadline=None, max_examples=50)
settings.load_profile("repeatable")


@dataclass(frozen=True)
class Scene:
    """A stack whose answer is known: `stack` (ZYX), the sharp `truth` and the sharpest plane `depth` of each pixel."""

    stack: FocalStack
    truth: NDArray[Any]
    depth: NDArray[np.intp]


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Return the folder of real images; a test that needs it is skipped where it is absent."""
    named = os.environ.get("SWINFUSION_DATA")
    folder = Path(named) if named else ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no real images at {folder}; set SWINFUSION_DATA to their folder")
    return folder


@pytest.fixture
def rng() -> np.random.Generator:
    """Return a generator that starts the same in every test."""
    return np.random.default_rng(20240607)


def draw_scene(n_planes: int, height: int, width: int, dtype: str = "uint16", seed: int = 0) -> Scene:
    """Draw a textured slope: plane z is sharp in one upright band and ever more blurred away from it."""
    rng = np.random.default_rng(seed)
    texture = ndimage.gaussian_filter(rng.normal(size=(height, width)), 1.0, mode="reflect")
    top = np.iinfo(dtype).max if np.dtype(dtype).kind in "ui" else 1.0
    truth = top * np.clip(0.5 + 0.18 * texture / texture.std(), 0.05, 0.95)
    depth = np.broadcast_to(np.arange(width) * n_planes // width, (height, width))
    blurred = np.stack([truth] + [ndimage.gaussian_filter(truth, 1.3 * away) for away in range(1, n_planes)])
    planes = np.stack([np.take_along_axis(blurred, np.abs(depth - z)[None], 0)[0] for z in range(n_planes)])
    metadata = SpatialMetadata(pixel_size=(0.5, 0.5), z_step=4.0)
    stack = FocalStack(data=planes.astype(dtype), axes="ZYX", metadata=metadata, name="slope")
    return Scene(stack, truth.astype(dtype), depth)


@pytest.fixture(scope="session")
def scene() -> Scene:
    """Return five planes of 96 × 128 px in uint16, each sharp in its own band."""
    return draw_scene(5, 96, 128)


@pytest.fixture(scope="session")
def scene_pair() -> Scene:
    """Return two planes of 64 × 96 px in uint8: left sharp, right sharp."""
    return draw_scene(2, 64, 96, "uint8", seed=1)


@pytest.fixture
def make_dock(make_napari_viewer: Any, qtbot: Any) -> Iterator[Callable[..., Any]]:
    """Return a maker of Fuse docks, each in a viewer of its own; runs end with the test."""
    from napari_swinfusion.viewer.fuse_dock import FuseDock

    docks: list[FuseDock] = []

    def make(**viewer_options: Any) -> FuseDock:
        viewer = make_napari_viewer(**viewer_options)
        dock = FuseDock(viewer)
        viewer.window.add_dock_widget(dock, name="Fuse focal stack")
        dock.options.model.choose("tenengrad")
        docks.append(dock)
        return dock

    yield make
    for dock in docks:
        dock.cancel()
    for dock in docks:
        qtbot.waitUntil(lambda dock=dock: not dock.running, timeout=10_000)


@pytest.fixture
def own_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep the test's models apart from the user's; one is there, `tiny`, that has learned nothing yet."""
    import torch

    from napari_swinfusion.networks import build_network
    from napari_swinfusion.weights import save_model

    folder = tmp_path / "models"
    folder.mkdir()
    monkeypatch.setenv("SWINFUSION_MODELS", str(folder))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        tiny = build_network("hybrid", {"stem_channels": 4, "dim": 8, "num_heads": 1, "depths": [2]})
    save_model(tiny, folder / "tiny.safetensors", {})
    return folder


@pytest.fixture
def make_train_dock(make_napari_viewer: Any, own_models: Path) -> Iterator[Callable[..., Any]]:
    """Return a maker of Train docks, each in a viewer of its own and set to be quick; no process outlives the test."""
    import psutil

    from napari_swinfusion.viewer.train_dock import TrainDock

    docks: list[TrainDock] = []

    def make(**viewer_options: Any) -> TrainDock:
        viewer = make_napari_viewer(**viewer_options)
        dock = TrainDock(viewer)
        viewer.window.add_dock_widget(dock, name="Train fusion network")
        dock.options.base.choose("tiny")
        dock.options.size.setValue(32)
        dock.options.simulated.setValue(0)
        dock.options.rate.setValue(0.02)
        dock.options.unit.choose("epochs")
        dock.ask = lambda *_, **__: "stop"
        docks.append(dock)
        return dock

    yield make
    for dock in docks:
        dock._may_close(may_stay=False)
    for birth in own_models.glob("*.training/process.json"):
        with contextlib.suppress(psutil.Error):
            child = psutil.Process(json.loads(birth.read_text())["pid"])
            child.kill()
            child.wait(10)
