from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from napari_swinfusion import load_model
from napari_swinfusion.errors import ModelError
from napari_swinfusion.networks import build_network
from napari_swinfusion.weights import find_model, list_networks, read_header, save_model, sha256_of
from napari_swinfusion.weights.cards import card_path, hash_line


def test_a_file_needs_nothing_else_to_become_the_same_network(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = build_network("hybrid").eval()
    path = save_model(network, tmp_path / "mine.safetensors", {"recipe": "none", "psnr": 40.5})
    again = load_model(path)
    assert again.config == network.config
    assert read_header(path)["story"] == {"recipe": "none", "psnr": 40.5}
    planes = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(again(planes).image, network(planes).image)


def test_D2_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = save_model(build_network("hybrid"), tmp_path / "model.safetensors", {})
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(ModelError, match=r"model\.safetensors' is damaged or not a model file"):
        load_model(path)
    path.write_text("<html>404</html>")
    with pytest.raises(ModelError, match="damaged or not a model file"):
        load_model(path)


def test_D3_a_flipped_bit_in_an_own_model_is_found_by_its_card(tmp_path: Path) -> None:
    path = save_model(build_network("hybrid"), tmp_path / "mine.safetensors", {})
    card_path(path).write_text(f"# mine\n\n{hash_line(sha256_of(path))}\n")
    load_model(path)
    content = bytearray(path.read_bytes())
    content[-1000] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"not the file that mine\.md describes"):
        load_model(path)


def test_own_models_are_listed_after_the_shipped_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWINFUSION_MODELS", str(tmp_path))
    shipped = list_networks()
    for name in ("mine", "worse.rejected", "default"):
        save_model(build_network("hybrid"), tmp_path / f"{name}.safetensors", {})
    assert list_networks() == [*shipped, "mine"]
    assert find_model("mine") == tmp_path / "mine.safetensors"
    assert find_model("default").parent != tmp_path


def test_D4_a_foreign_or_misshapen_file_says_what_is_wrong(tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.safetensors"
    save_file({"weight": torch.zeros(2)}, foreign)
    with pytest.raises(ModelError, match="not one of a napari-swinfusion model"):
        load_model(foreign)
    network = build_network("hybrid")
    network.score = torch.nn.Linear(12, 3)
    save_model(network, tmp_path / "misshapen.safetensors", {})
    with pytest.raises(ModelError, match=r"score\.bias"):
        load_model(tmp_path / "misshapen.safetensors")


def test_an_unknown_model_names_the_nearest() -> None:
    with pytest.raises(ModelError, match="neither a known network"):
        load_model("defualt")


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = save_model(build_network("hybrid"), tmp_path / "model.safetensors", {})
    before = path.read_bytes()
    with pytest.raises(TypeError):
        save_model(build_network("hybrid"), path, {"unwritable": object()})
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["model.safetensors"]


def test_the_default_model_ships_and_tells_its_story() -> None:
    assert list_networks()[0] == "default"
    for name in list_networks():
        from napari_swinfusion.weights import find_model

        story = read_header(find_model(name))["story"]
        assert {"summary", "training", "textures"} <= story.keys()
        assert sum(p.numel() for p in load_model(name).parameters()) == story["parameters"]
