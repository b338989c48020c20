"""A model handed on: the same numbers, as a copy and as a bioimage.io package that its own tools accept."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from napari_swinfusion.cli.app import app
from napari_swinfusion.errors import InputError, ModelError, OutputExistsError
from napari_swinfusion.networks import build_network
from napari_swinfusion.weights import save_model, sha256_of
from napari_swinfusion.weights.export import export_model

TINY = {"stem_channels": 4, "dim": 8, "num_heads": 1, "depths": [2]}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    return save_model(build_network("hybrid", TINY), tmp_path / "tiny.safetensors", {"summary": "for a test"})


def test_a_copy_is_the_same_file(model, tmp_path):
    copy = export_model(model, tmp_path / "for-a-friend.safetensors")
    assert sha256_of(copy) == sha256_of(model)


@pytest.mark.parametrize(
    ("out", "error", "says"),
    [("model.onnx", InputError, ".zip"), ("tiny.safetensors", OutputExistsError, "exists already")],
)
def test_what_cannot_be_exported_is_told(model, tmp_path, out, error, says):
    with pytest.raises(error, match=says):
        export_model(model, tmp_path / out)


def test_a_model_that_does_not_exist_is_told(tmp_path):
    with pytest.raises(ModelError, match="neither"):
        export_model("nobody", tmp_path / "x.zip")


def test_bioimageio_accepts_the_package_and_reproduces_its_numbers(model, tmp_path, monkeypatch):
    pytest.importorskip("bioimageio.core", reason="needs pip install napari-swinfusion[bioimageio]")
    monkeypatch.setenv("BIOIMAGEIO_CACHE_PATH", str(tmp_path / "cache"))
    from bioimageio.core import test_model as check_model

    said = ["--author", "A. Reader", "--license", "CC-BY-4.0"]
    done = CliRunner().invoke(app, ["models", "export", str(model), "-o", str(tmp_path / "tiny.zip"), *said])
    assert done.exit_code == 0, done.output
    summary = check_model(tmp_path / "tiny.zip")
    assert summary.status == "passed", summary.format()
    assert {"weights.pt", "planes.npy", "image.npy", "weights.npy"} <= set(
        zipfile.ZipFile(tmp_path / "tiny.zip").namelist()
    )
    assert not list(tmp_path.glob(".*partial*"))


def test_a_licence_that_nobody_knows_is_refused(model, tmp_path):
    pytest.importorskip("bioimageio.core", reason="needs pip install napari-swinfusion[bioimageio]")
    with pytest.raises(InputError, match="license"):
        export_model(model, tmp_path / "tiny.zip", license="do what you want")
    assert not (tmp_path / "tiny.zip").exists()
