"""Restormer gives what the published one gives, and refuses what cannot work."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_swinfusion.errors import ConfigError, InputError
from napari_swinfusion.networks import Restormer, build_network

PUBLISHED = Path(__file__).resolve().parents[3] / "shared" / "published"
TINY = {"dim": 8, "depths": [1, 1, 1, 2], "refinement_depth": 1, "num_heads": [1, 2, 2, 4]}

# Published name → ours.
RENAMED = {
    r"^patch_embed\.proj": "embed",
    r"^encoder_level(\d)": lambda match: f"encoder.{int(match[1]) - 1}",
    r"^latent": "encoder.3",
    r"^decoder_level(\d)": lambda match: f"decoder.{int(match[1]) - 1}",
    r"^down(\d)_\d\.body": lambda match: f"down.{int(match[1]) - 1}",
    r"^up\d_(\d)\.body": lambda match: f"up.{int(match[1]) - 1}",
    r"^reduce_chan_level(\d)": lambda match: f"reduce.{int(match[1]) - 1}",
    r"^skip_conv": "skip",
    r"^output": "paint",
    r"\.norm1\.body": ".norm_attention",
    r"\.norm2\.body": ".norm_feed_forward",
    r"\.attn\.qkv_dwconv": ".attention.neighbours",
    r"\.attn\.qkv": ".attention.query_key_value",
    r"\.attn\.": ".attention.",
    r"\.ffn\.project_in": ".feed_forward.widen",
    r"\.ffn\.dwconv": ".feed_forward.neighbours",
    r"\.ffn\.": ".feed_forward.",
    r"\.project_out": ".project",
}


def ours(name: str) -> str:
    for pattern, replacement in RENAMED.items():
        name = re.sub(pattern, replacement, name)
    return name


def published(name: str) -> Path:
    path = PUBLISHED / name
    if not path.is_file():
        pytest.skip(f"the test vectors of the published networks are not here: {path.name}")
    return path


@pytest.mark.parametrize(
    ("file", "config"),
    [
        ("restormer_tiny_single_withbias.npz", {**TINY, "n_sources": 1}),
        ("restormer_tiny_dual_biasfree.npz", {**TINY, "dual_pixel": True, "bias": True, "norm": "bias-free"}),
    ],
)
def test_the_published_numbers_come_out(file: str, config: dict[str, object]) -> None:
    vectors = np.load(published(file))
    network = build_network("restormer", config).eval()
    stored = {name.removeprefix("weights/"): vectors[name] for name in vectors.files if name.startswith("weights/")}
    network.load_state_dict({ours(name): torch.from_numpy(array) for name, array in stored.items()})
    with torch.no_grad():
        image = network(torch.from_numpy(vectors["x"])).image
    np.testing.assert_allclose(image, vectors["y"][:, 0], atol=1e-5, rtol=0)


def test_the_base_has_the_published_parameters() -> None:
    with torch.device("meta"):
        network = build_network("restormer-base", {"n_sources": 1, "channels": 3})
    assert sum(parameter.numel() for parameter in network.parameters()) == 26_126_644
    listed = json.loads(published("restormer_base_keys.json").read_text(encoding="utf-8"))
    assert {ours(name): shape for name, (shape, _) in listed.items()} == {
        name: list(tensor.shape) for name, tensor in network.state_dict().items()
    }


def test_a_network_for_colours_takes_grey_planes() -> None:
    torch.manual_seed(0)
    network = build_network("restormer", {**TINY, "channels": 3})
    assert isinstance(network, Restormer)
    planes = torch.rand(1, 2, 16, 24)
    with torch.no_grad():
        image = network(planes).image
        restored = network.restore(planes.repeat_interleave(3, dim=1))
    assert restored.shape == (1, 3, 16, 24)
    torch.testing.assert_close(image, restored.mean(1))


def test_another_number_of_planes_is_refused() -> None:
    with pytest.raises(InputError, match="takes 2 planes, not 3"):
        build_network("restormer", TINY)(torch.rand(1, 3, 16, 16))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"num_heads": [1, 5, 4, 8]}, "5 heads cannot share 96 channels evenly; the nearest number is 4"),
        ({"depths": [1, 1]}, "give each level one of both"),
        ({"dim": 7}, "cannot be halved"),
        ({"norm": "WithBias"}, "choose with-bias or bias-free"),
    ],
)
def test_sizes_that_cannot_work_are_refused(config: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_network("restormer", config)
