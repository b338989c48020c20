"""Published checkpoints come in whole, or not at all with a reason."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from napari_swinfusion.errors import ModelError
from napari_swinfusion.networks import FusionNetwork
from napari_swinfusion.weights.importers import ImportReport, import_checkpoint

SHAPES = Path(__file__).parent / "published"
VECTORS = Path(__file__).resolve().parents[3] / "shared" / "published"


def shapes(name: str) -> dict[str, list[int]]:
    """Return the names and shapes in a published file."""
    listed: dict[str, list[int]] = json.loads((SHAPES / f"{name}_base_shapes.json").read_text(encoding="utf-8"))
    return listed


def vectors(name: str) -> dict[str, np.ndarray]:
    path = VECTORS / name
    if not path.is_file():
        pytest.skip(f"the test vectors of the published networks are not here: {name}")
    with np.load(path) as file:
        return dict(file)


def weights_in(arrays: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    prefix = "weights/"
    return {name.removeprefix(prefix): torch.from_numpy(a) for name, a in arrays.items() if name.startswith(prefix)}


def imported(path: Path, content: Any) -> tuple[FusionNetwork, ImportReport]:
    torch.save(content, path)
    return import_checkpoint(path)


def padded(array: np.ndarray, multiple: int) -> torch.Tensor:
    missing = [-side % multiple for side in array.shape[2:]]
    return torch.from_numpy(np.pad(array, [(0, 0), (0, 0), (0, missing[0]), (0, missing[1])], mode="reflect"))


@pytest.mark.parametrize("size", ["", "_32"])
def test_swinfusion_gives_the_published_numbers(size: str, tmp_path: Path) -> None:
    arrays = vectors("swinfusion_tiny.npz")
    network, report = imported(tmp_path / "tiny.pth", {"params": weights_in(arrays)})
    planes = torch.cat([padded(arrays[f"{source}{size}"], network.info.size_multiple) for source in "ab"], dim=1)
    wanted = arrays[f"fused{size}"][:, 0]
    with torch.no_grad():
        image = network(planes).image[:, : wanted.shape[1], : wanted.shape[2]]
    np.testing.assert_allclose(image, wanted, atol=1e-5, rtol=0)
    assert report.config["fuse_depths"] == [2, 1]
    assert report.config["extract_heads"] == [3]


@pytest.mark.parametrize("name", ["restormer_tiny_single_withbias.npz", "restormer_tiny_dual_biasfree.npz"])
def test_restormer_gives_the_published_numbers(name: str, tmp_path: Path) -> None:
    arrays = vectors(name)
    network, _ = imported(tmp_path / "tiny.pth", weights_in(arrays))
    with torch.no_grad():
        image = network(torch.from_numpy(arrays["x"])).image
    np.testing.assert_allclose(image, arrays["y"][:, 0], atol=1e-5, rtol=0)


def test_the_published_swinfusion_is_the_base(tmp_path: Path) -> None:
    """All 973,681 published parameters are used or told to be dead."""
    tensors = {name: torch.zeros(shape) for name, shape in shapes("swinfusion").items()}
    buffers = {name for name in tensors if name.endswith(("relative_position_index", "attn_mask"))}
    assert sum(tensor.numel() for name, tensor in tensors.items() if name not in buffers) == 973_681
    network, report = imported(tmp_path / "base.pth", {"params": tensors})
    from napari_swinfusion.networks import build_network

    assert network.config == build_network("swinfusion-base").config
    dead = sum(tensors[name].numel() for name in report.dropped if name not in buffers)
    assert {name for name in report.dropped if name not in buffers} == {
        f"conv_first{i}_B.{kind}" for i in (1, 2) for kind in ("weight", "bias")
    }
    assert report.parameters + dead == 973_681


def test_the_published_restormer_is_the_base(tmp_path: Path) -> None:
    tensors = {name: torch.zeros(shape) for name, shape in shapes("restormer").items()}
    network, report = imported(tmp_path / "base.pth", {"params": tensors})
    from napari_swinfusion.networks import build_network

    assert network.config == build_network("restormer-base", {"n_sources": 1, "channels": 3}).config
    assert report.parameters == 26_126_644


@pytest.fixture(scope="module")
def small() -> dict[str, torch.Tensor]:
    """Return a checkpoint of the published layout with the fewest blocks that shift, and random numbers."""
    generator = torch.Generator().manual_seed(0)
    narrow = {60: 8, 30: 4, 15: 2, 120: 16, 180: 24, 225: 49, 64: 16, 256: 4, 6: 2}
    return {
        name: torch.randn([narrow.get(side, side) for side in shape], generator=generator)
        for name, shape in shapes("swinfusion").items()
        if not any(f".blocks.{j}." in name for j in (2, 3)) and "layers_Fusion.1" not in name
    }


@pytest.mark.parametrize("holder", [None, "params", "params_ema", "state_dict"])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_weights_are_found_wherever_they_lie(
    small: dict[str, torch.Tensor], holder: str | None, prefix: str, tmp_path: Path
) -> None:
    renamed = {prefix + name: tensor for name, tensor in small.items()}
    network, report = imported(tmp_path / "x.pth", renamed if holder is None else {holder: renamed, "epoch": 3})
    assert network.config.to_dict()["window_size"] == 4
    assert any(f"'{holder}'" in assumption for assumption in report.assumed) == (holder is not None)


def test_the_averaged_weights_are_preferred(small: dict[str, torch.Tensor], tmp_path: Path) -> None:
    averaged = {name: torch.ones_like(tensor) for name, tensor in small.items()}
    network, _ = imported(tmp_path / "x.pth", {"params": small, "params_ema": averaged})
    assert all((parameter == 1).all() for parameter in network.parameters())


def test_a_network_built_for_one_window_was_never_shifted(small: dict[str, torch.Tensor], tmp_path: Path) -> None:
    unmasked = {name: tensor for name, tensor in small.items() if not name.endswith("attn_mask")}
    network, _ = imported(tmp_path / "x.pth", unmasked)
    assert not any(getattr(module, "shift", 0) for module in network.modules())


def test_D1_code_in_a_checkpoint_is_refused_and_not_run(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(tmp_path / "run"),)

    with pytest.raises(
        ModelError, match=r"not a safe checkpoint: beside numbers it holds '.*mkdir', which could run code"
    ):
        imported(tmp_path / "evil.pth", {"params": {"conv_first1_A.weight": torch.zeros(2)}, "extra": Evil()})
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("old_format", [True, False])
@pytest.mark.parametrize("damage", [b"", b"<html>404</html>", b"PK\x03\x04" + bytes(500), None])
def test_D2_a_damaged_checkpoint_has_one_message(
    small: dict[str, torch.Tensor], damage: bytes | None, old_format: bool, tmp_path: Path
) -> None:
    path = tmp_path / "cut.pth"
    torch.save(small, path, _use_new_zipfile_serialization=not old_format)
    path.write_bytes(path.read_bytes()[:3000] if damage is None else damage)
    with pytest.raises(ModelError, match=r"cut\.pth' is damaged or not a checkpoint"):
        import_checkpoint(path)


def test_D3_a_flipped_bit_is_found_by_the_digest_of_the_publisher(
    small: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    path = tmp_path / "x.pth"
    _, report = imported(path, small)
    import_checkpoint(path, sha256=report.sha256.upper())
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelError, match="not the file its publisher wrote"):
        import_checkpoint(path, sha256=report.sha256)


def test_D4_another_network_or_half_of_one_is_named(small: dict[str, torch.Tensor], tmp_path: Path) -> None:
    path = tmp_path / "x.pth"
    with pytest.raises(ModelError, match=r"neither of swinfusion \(no conv_first1_A\.weight\) nor restormer"):
        imported(path, {"backbone.weight": torch.zeros(2)})
    with pytest.raises(
        ModelError, match=r"no whole swinfusion with channels 1, dim 8.*missing: norm_reconstruct\.bias"
    ):
        imported(path, {name: tensor for name, tensor in small.items() if name != "norm_Re.bias"})
    with pytest.raises(ModelError, match=r"unexpected: text_encoder\.weight"):
        imported(path, {**small, "text_encoder.weight": torch.zeros(2)})
    with pytest.raises(ModelError, match=r"of another shape: merge\.convolution\.bias"):
        imported(path, {**small, "conv_after_body_Fusion.bias": torch.zeros(3)})
    with pytest.raises(ModelError, match="geometry cannot be read"):
        imported(path, {name: tensor for name, tensor in small.items() if "mlp" not in name})


def test_D5_numbers_that_are_not_finite_are_refused(small: dict[str, torch.Tensor], tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"not finite, in norm_Re\.bias"):
        imported(tmp_path / "x.pth", {**small, "norm_Re.bias": torch.full((8,), float("nan"))})


def test_D6_the_options_and_scores_of_a_training_script_do_no_harm(
    small: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    extra = {"args": argparse.Namespace(lr=1e-4), "best": np.float64(41.2), "curve": np.arange(3.0)}
    network, report = imported(tmp_path / "x.pth", {"params": small, **extra})
    assert report.parameters == sum(parameter.numel() for parameter in network.parameters())


def test_a_missing_or_empty_checkpoint_says_so(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="There is no file"):
        import_checkpoint(tmp_path / "absent.pth")
    with pytest.raises(ModelError, match="holds no weights"):
        imported(tmp_path / "x.pth", {"params": {}, "epoch": 3})
