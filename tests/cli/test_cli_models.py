"""`swinfusion models import`: a published checkpoint becomes a model that `fuse` takes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from napari_swinfusion import fuse
from napari_swinfusion.cli.app import app
from napari_swinfusion.weights import read_header

SHAPES = Path(__file__).resolve().parents[1] / "weights" / "published" / "swinfusion_base_shapes.json"
NARROW = {60: 8, 30: 4, 15: 2, 120: 16, 180: 24, 225: 49, 64: 16, 256: 4, 6: 2}


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """Return a file of the published layout with few channels and small windows."""
    generator = torch.Generator().manual_seed(0)
    shapes = json.loads(SHAPES.read_text(encoding="utf-8"))
    tensors = {
        name: 0.2 * torch.randn([NARROW.get(side, side) for side in shape], generator=generator)
        for name, shape in shapes.items()
    }
    torch.save({"params": tensors}, tmp_path / "published.pth")
    return tmp_path / "published.pth"


def test_an_imported_checkpoint_paints(checkpoint: Path, tmp_path: Path) -> None:
    out = tmp_path / "mine.safetensors"
    done = CliRunner().invoke(app, ["models", "import", str(checkpoint), "-o", str(out)])
    assert done.exit_code == 0, done.output
    assert "fuse_depths: [2, 2]" in done.stdout
    assert "never ran: both sources pass the convolutions of A: conv_first1_B.weight and 3 more" in done.stdout
    assert "Taken for granted: The weights under 'params'" in done.stdout
    stack = np.random.default_rng(0).integers(0, 255, (3, 20, 30), dtype=np.uint8)
    fused = fuse(stack, model=out, device="cpu")
    assert fused.image.shape == (20, 30)
    assert fused.provenance["model"]["value_preserving"] is False
    assert read_header(out)["story"]["summary"] == "imported from published.pth"


def test_the_report_is_there_for_machines_too(checkpoint: Path, tmp_path: Path) -> None:
    out = tmp_path / "mine.safetensors"
    done = CliRunner().invoke(app, ["models", "import", str(checkpoint), "-o", str(out), "--json"])
    report = json.loads(done.stdout)
    assert report["architecture"] == "swinfusion"
    assert report["dropped"]["conv_first1_B.bias"].startswith("never ran")


def test_nothing_is_overwritten_unasked_and_no_other_kind_is_written(checkpoint: Path, tmp_path: Path) -> None:
    out = tmp_path / "mine.safetensors"
    out.write_text("mine")
    refused = CliRunner().invoke(app, ["models", "import", str(checkpoint), "-o", str(out)])
    assert refused.exit_code != 0
    assert out.read_text() == "mine"
    other = CliRunner().invoke(app, ["models", "import", str(checkpoint), "-o", str(tmp_path / "mine.pth")])
    assert other.exit_code != 0
    assert not (tmp_path / "mine.pth").exists()
    again = CliRunner().invoke(app, ["models", "import", str(checkpoint), "-o", str(out), "--overwrite"])
    assert again.exit_code == 0
