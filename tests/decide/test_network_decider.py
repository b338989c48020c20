from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from numpy.typing import NDArray

from napari_swinfusion import fuse
from napari_swinfusion.decide.device import choose_device, is_out_of_memory
from napari_swinfusion.decide.network import NetworkDecider
from napari_swinfusion.errors import CancelledError, InputError, ModelError, OutOfMemoryError
from napari_swinfusion.metrics.depth import depth_error
from napari_swinfusion.metrics.reference import textured
from napari_swinfusion.networks import Fused, FusionNetwork, build_network
from napari_swinfusion.progress import CancelToken, Progress
from napari_swinfusion.simulation import simulate
from napari_swinfusion.tiling import Box
from napari_swinfusion.weights import list_networks, save_model


class Planes:
    """Grey planes straight from an array."""

    def __init__(self, array: NDArray[np.float32]) -> None:
        self._array = array
        self.n_planes, self.height, self.width = array.shape

    def grey(self, box: Box, plane: int | None = None) -> NDArray[np.float32]:
        part = self._array[(..., *box.slices)]
        return part if plane is None else part[plane : plane + 1]


@pytest.fixture(scope="module")
def network() -> FusionNetwork:
    torch.manual_seed(0)
    network = build_network("hybrid")
    for parameter in network.parameters():
        if parameter.ndim > 1:
            parameter.data.mul_(2)
    return network


def answer(decider: NetworkDecider, array: NDArray[np.float32], **kwargs: Any) -> NDArray[np.float32]:
    """Return weights, focus and, alike for all planes, depth (NaN if untold) of the image, `(3, n, h, w)`."""
    result = np.full((3, *array.shape), np.nan, np.float32)
    for tile in decider.decide(Planes(array), **kwargs):
        assert tile.focus is not None
        result[(0, ..., *tile.box.slices)] = tile.weights
        result[(1, ..., *tile.box.slices)] = tile.focus
        if tile.depth is not None:
            result[(2, ..., *tile.box.slices)] = tile.depth
    return result


def noise(*shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(0).random(shape, dtype=np.float32)


@pytest.mark.parametrize("size", [(1, 1), (2, 300), (31, 33), (97, 101), (211, 173), (300, 293)])
def test_B16_tiled_equals_untiled_to_the_bit(network: FusionNetwork, size: tuple[int, int]) -> None:
    array = noise(2, *size)
    untiled = answer(NetworkDecider(network, device="cpu", tile=2048), array)
    assert np.isfinite(untiled).all()
    for tile in (64, 128, 256):
        assert np.array_equal(answer(NetworkDecider(network, device="cpu", tile=tile), array), untiled)


def test_A12_every_size_from_1_to_40_answers_in_its_own_size(network: FusionNetwork) -> None:
    for side in range(1, 41):
        array = noise(2, side, 41 - side)
        shares = answer(NetworkDecider(network, device="cpu"), array)[:2]
        np.testing.assert_allclose(shares.sum(1), 1, atol=1e-5)


def test_520_by_520_needs_no_resizing(network: FusionNetwork) -> None:
    assert answer(NetworkDecider(network, device="cpu"), noise(2, 520, 520)).shape == (3, 2, 520, 520)


class Starved(FusionNetwork):
    """A network on a device whose memory holds `limit` pixels."""

    def __init__(self, inner: FusionNetwork, limit: int, error: Exception) -> None:
        super().__init__()
        self.inner, self.info, self.config = inner, inner.info, inner.config
        self.limit, self.error, self.calls = limit, error, 0

    def forward(self, planes: torch.Tensor, prompt: torch.Tensor | None = None) -> Fused:
        self.calls += 1
        if planes.shape[-1] * planes.shape[-2] > self.limit:
            raise self.error
        return self.inner(planes, prompt)


OUT_OF_MEMORY = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("MPS backend out of memory (MPS allocated: 1.0 GB)"),
    RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: you tried"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    MemoryError(),
]


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=lambda error: str(error)[:20] or "MemoryError")
def test_B1_B2_running_out_of_memory_halves_the_tile_and_changes_nothing(
    network: FusionNetwork, error: Exception
) -> None:
    array = noise(2, 350, 420)
    starved = Starved(network, limit=320 * 320, error=error)
    shares = answer(NetworkDecider(starved, device="cpu"), array)
    assert np.array_equal(shares, answer(NetworkDecider(network, device="cpu"), array))
    # One failure teaches the size; the rest of the image is not tried in vain again and again.
    assert starved.calls < 16


def test_where_little_memory_is_free_tiles_are_smaller_and_nothing_else_changes(
    network: FusionNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    array = noise(2, 350, 420)

    def tiles(free: int) -> tuple[int, NDArray[np.float32]]:
        monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=free))
        decider = NetworkDecider(network, device="cpu")
        return len(list(decider.decide(Planes(array)))), answer(decider, array)

    (whole, plenty), (several, little) = tiles(2**34), tiles(6 * 2**20)
    assert whole == 1 < several
    assert np.array_equal(plenty, little)


def test_B3_a_tile_size_the_user_fixed_is_not_overridden(network: FusionNetwork) -> None:
    starved = Starved(network, limit=1000, error=torch.OutOfMemoryError("CUDA out of memory"))
    with pytest.raises(OutOfMemoryError, match="tile of 256 px"):
        answer(NetworkDecider(starved, device="cpu", tile=256), noise(2, 300, 300))


def test_memory_for_nothing_ends_with_advice(network: FusionNetwork) -> None:
    starved = Starved(network, limit=0, error=torch.OutOfMemoryError("CUDA out of memory"))
    with pytest.raises(OutOfMemoryError, match="fuse fewer planes"):
        answer(NetworkDecider(starved, device="cpu"), noise(2, 100, 100))


def test_B4_another_runtime_error_is_not_taken_for_memory(network: FusionNetwork) -> None:
    starved = Starved(network, limit=0, error=RuntimeError("shape mismatch"))
    with pytest.raises(RuntimeError, match="shape mismatch"):
        answer(NetworkDecider(starved, device="cpu"), noise(2, 100, 100))
    assert starved.calls == 1


def test_B14_a_device_that_is_not_there_falls_back_with_a_notice(network: FusionNetwork) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    decider = NetworkDecider(network, device="cuda:1")
    assert decider.device.type == "cpu"
    assert decider.info.device == "cpu"
    assert "cuda:1" in decider.info.notices[0]
    fused = fuse(np.random.default_rng(0).random((2, 32, 32)), model=decider)
    assert any("cuda:1" in notice for notice in fused.notices)
    assert fused.provenance["device"] == "cpu"
    assert choose_device("auto")[0].type in ("cpu", "mps")


def test_an_unknown_device_is_refused() -> None:
    for wanted in ("gpu0", "meta"):
        with pytest.raises(InputError, match="choose auto"):
            choose_device(wanted)


def test_B11_cancel_stops_within_a_tile(network: FusionNetwork) -> None:
    token = CancelToken()
    heard: list[Progress] = []

    def hear(report: Progress) -> None:
        heard.append(report)
        if report.done > 100:
            token.cancel()

    with pytest.raises(CancelledError):
        answer(NetworkDecider(network, device="cpu"), noise(5, 300, 300), progress=hear, cancel=token)
    assert heard[-1].done < 500


def test_progress_rises_to_the_end(network: FusionNetwork) -> None:
    heard: list[Progress] = []
    answer(NetworkDecider(network, device="cpu", tile=128), noise(3, 200, 300), progress=heard.append)
    done = [report.done for report in heard]
    assert done == sorted(done)
    assert (done[-1], heard[-1].total) == (1000, 1000)
    assert heard[-1].seconds_left == pytest.approx(0, abs=0.1)


def test_D5_numbers_that_are_not_finite_are_refused(network: FusionNetwork, tmp_path: Path) -> None:
    broken = build_network("hybrid")
    next(broken.parameters()).data.fill_(float("nan"))
    save_model(broken, tmp_path / "broken.safetensors", {})
    with pytest.raises(ModelError, match="not finite"):
        NetworkDecider(tmp_path / "broken.safetensors", device="cpu")


class Overflowing(FusionNetwork):
    """A network whose arithmetic breaks down in one pixel of the second tile."""

    def __init__(self, inner: FusionNetwork) -> None:
        super().__init__()
        self.inner, self.info, self.config = inner, inner.info, inner.config
        self.calls = 0

    def forward(self, planes: torch.Tensor, prompt: torch.Tensor | None = None) -> Fused:
        self.calls += 1
        fused = self.inner(planes, prompt)
        assert fused.weights is not None
        if self.calls == 2:
            fused.weights[0, 0, -3, -3] = float("nan")
        return fused


def test_B12_an_answer_that_is_not_finite_never_becomes_an_image(network: FusionNetwork) -> None:
    decider = NetworkDecider(Overflowing(network), device="cpu", tile=64)
    tiles = decider.decide(Planes(noise(2, 64, 128)))
    assert np.isfinite(next(tiles).weights).all()
    with pytest.raises(ModelError, match="not finite"):
        next(tiles)


class Speckled(FusionNetwork):
    """A network that takes all of the image from the first of two planes, and sees a few single pixels in the other."""

    def __init__(self, inner: FusionNetwork) -> None:
        super().__init__()
        self.info, self.config = inner.info, inner.config

    def forward(self, planes: torch.Tensor, prompt: torch.Tensor | None = None) -> Fused:
        weights = torch.zeros_like(planes)
        weights[:, 0] = 1
        focus = weights.clone()
        focus[:, :, 5::10, 5::10] = focus[:, :, 5::10, 5::10].flip(1)
        return Fused(planes[:, 0], weights, focus)


def test_single_pixels_are_decided_on_together_with_those_around(network: FusionNetwork) -> None:
    weights, focus, _ = answer(NetworkDecider(Speckled(network), device="cpu"), noise(2, 40, 40))
    np.testing.assert_array_equal(weights[0], 1)  # what the image is made of is the network's own word
    np.testing.assert_array_equal(focus.argmax(0), 0)
    np.testing.assert_allclose(focus[0, 5, 5], 1 - 0.5 / 9, rtol=1e-6)
    np.testing.assert_allclose(focus[0, 2, 2], 1, rtol=1e-6)


def test_memory_errors_are_known_by_class_or_text() -> None:
    assert all(is_out_of_memory(error) for error in OUT_OF_MEMORY)
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))


@pytest.mark.parametrize("name", list_networks())
def test_a_shipped_network_picks_the_sharp_plane(name: str, scene: Any) -> None:
    array = np.asarray(scene.stack.data, np.float32) / 65535
    shares = answer(NetworkDecider(name, device="cpu"), array)
    decision = shares[1].argmax(0)
    assert np.abs(decision - scene.depth).mean() < 0.25


@pytest.mark.parametrize("name", ["default", "fast"])
def test_between_two_planes_depth_is_truer_than_a_plane_can_be(name: str) -> None:
    drawn = simulate(preset="cytology", n_planes=5, height=160, width=160, seed=11, photons=20_000)
    result = fuse(drawn.stack, model=name)
    true_depth = drawn.depth.clip(0, 4)
    detail = textured(drawn.truth, data_range=drawn.white)
    told = depth_error(result.depth, true_depth, mask=detail)
    assert told < 0.8 * depth_error(result.decision, true_depth, mask=detail)
    # No map of whole planes comes nearer than the plane next to the truth.
    assert told < depth_error(np.rint(true_depth), true_depth, mask=detail)
