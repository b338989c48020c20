"""`swinfusion fuse` does what `fuse` does, on files, and says it in the right place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner, Result

from napari_swinfusion import fuse, pipeline
from napari_swinfusion.cli.app import app
from napari_swinfusion.focal_stack import FocalStack, SpatialMetadata
from napari_swinfusion.io import read_provenance, read_stack, write_stack


def run(*arguments: object) -> Result:
    """Run the command line in this process."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def stack_file(tmp_path: Path, scene: Any) -> Path:
    """Return an OME-TIFF of five planes."""
    return write_stack(scene.stack, tmp_path / "stack.ome.tif")


def test_the_files_hold_what_the_library_returns(tmp_path: Path, stack_file: Path) -> None:
    names = [tmp_path / f"{role}.ome.tif" for role in ("fused", "decision", "confidence", "depth")]
    maps = ["--decision", names[1], "--confidence", names[2], "--depth", names[3]]
    done = run("fuse", stack_file, "-o", names[0], *maps, "--model", "tenengrad")
    assert done.exit_code == 0, done.stderr
    expected = fuse(stack_file, model="tenengrad")
    arrays = (expected.image, expected.decision, expected.confidence, expected.depth)
    for name, array in zip(names, arrays, strict=True):
        written = tifffile.imread(name)
        assert written.dtype == array.dtype
        np.testing.assert_array_equal(written, array)
    assert read_stack(names[0]).metadata == SpatialMetadata(pixel_size=(0.5, 0.5), z_step=4.0)
    assert read_provenance(names[0])["model"]["name"] == "tenengrad"
    assert "Fused 5 planes of 128 × 96 px with tenengrad on cpu" in done.stdout
    assert sorted(tmp_path.iterdir()) == sorted([stack_file, *names])


def test_json_is_all_there_is_on_stdout(tmp_path: Path, stack_file: Path) -> None:
    done = run("fuse", stack_file, "-o", tmp_path / "f.tif", "--model", "mean", "--json")
    summary = json.loads(done.stdout)
    assert summary["outputs"] == [str(tmp_path / "f.tif")]
    assert summary["dtype"] == "uint16"
    assert summary["provenance"] == read_provenance(tmp_path / "f.tif")


def test_quiet_says_nothing(tmp_path: Path, stack_file: Path) -> None:
    done = run("fuse", stack_file, "-o", tmp_path / "f.tif", "--model", "mean", "--quiet")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("options", "name", "value"),
    [
        (["--register", "translation"], "register", "translation"),
        (["--no-match-illumination"], "match_illumination", False),
        (["--blend", "hard"], "blend", "hard"),
        (["--prefer", "bottom"], "prefer", "bottom"),
        (["--decide-on", "0"], "decide_on", 0),
        (["--decide-on", "each"], "decide_on", "each"),
        (["--tile", "64"], "tile", 64),
        ([], "match_illumination", True),
    ],
)
def test_options_reach_the_fusion(
    tmp_path: Path, stack_file: Path, options: list[str], name: str, value: object
) -> None:
    done = run("fuse", stack_file, "-o", tmp_path / "f.tif", "--model", "tenengrad", *options)
    assert done.exit_code == 0, done.stderr
    assert read_provenance(tmp_path / "f.tif")["parameters"][name] == value


def test_model_and_device_and_threads_reach_the_fusion(
    tmp_path: Path, stack_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    asked: dict[str, Any] = {}
    honest = pipeline.fuse

    def listening(stack: FocalStack, **options: Any) -> Any:
        asked.update(options)
        return honest(stack, **(options | {"model": "mean", "device": "auto"}))

    monkeypatch.setattr(pipeline, "fuse", listening)
    monkeypatch.setattr(torch, "set_num_threads", lambda threads: asked.update(threads=threads))
    done = run("fuse", stack_file, "-o", tmp_path / "f.tif", "--device", "cuda:1", "--threads", "3")
    assert done.exit_code == 0, done.stderr
    assert (asked["model"], asked["device"], asked["threads"]) == ("default", "cuda:1", 3)


def test_a_pair_of_files_is_a_stack(tmp_path: Path, scene_pair: Any) -> None:
    files = []
    for name, plane in zip(("near.tif", "far.tif"), scene_pair.stack.data, strict=True):
        tifffile.imwrite(tmp_path / name, plane, metadata=None)
        files.append(tmp_path / name)
    done = run("fuse", *files, "-o", tmp_path / "f.tif", "--decision", tmp_path / "d.tif", "--model", "tenengrad")
    assert done.exit_code == 0, done.stderr
    # In the order given, not in that of the names: the left half is sharp in the first file.
    decision = tifffile.imread(tmp_path / "d.tif")
    assert decision[:, :40].mean() < 0.1
    assert decision[:, -40:].mean() > 0.9


def test_files_as_a_shell_sorts_them_are_counted(tmp_path: Path) -> None:
    for number in range(1, 12):
        tifffile.imwrite(tmp_path / f"z{number}.tif", np.full((16, 16), number, np.uint8), metadata=None)
    by_letter = sorted(tmp_path.iterdir())
    assert [path.name for path in by_letter[:3]] == ["z1.tif", "z10.tif", "z11.tif"]
    done = run("fuse", *by_letter, "-o", tmp_path / "f.ome.tif", "--model", "mean", "--no-match-illumination", "--json")
    assert done.exit_code == 0, done.stderr
    assert any("z1.tif … z11.tif" in notice for notice in json.loads(done.stdout)["notices"])
    swapped = [by_letter[1], by_letter[0]]
    done = run("fuse", *swapped, "-o", tmp_path / "g.ome.tif", "--model", "mean", "--json")
    assert not any("order of their numbers" in notice for notice in json.loads(done.stdout)["notices"])


def test_axes_are_taken_from_the_option(tmp_path: Path, scene: Any) -> None:
    tifffile.imwrite(tmp_path / "odd.ome.tif", scene.stack.data, metadata={"axes": "TYX"})
    refused = run("fuse", tmp_path / "odd.ome.tif", "-o", tmp_path / "f.tif", "--model", "mean")
    assert refused.exit_code == 1
    assert "--axes" in refused.stderr
    done = run("fuse", tmp_path / "odd.ome.tif", "-o", tmp_path / "f.tif", "--model", "mean", "--axes", "ZYX")
    assert done.exit_code == 0, done.stderr
    assert tifffile.imread(tmp_path / "f.tif").shape == (96, 128)


def test_the_whole_planes_of_a_cut_file_on_request(tmp_path: Path, scene: Any) -> None:
    path = tmp_path / "cut.tif"
    tifffile.imwrite(path, scene.stack.data, metadata={"axes": "ZYX"})
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * 0.7)])
    assert run("fuse", path, "-o", tmp_path / "f.tif", "--model", "mean").exit_code == 1
    done = run("fuse", path, "-o", tmp_path / "f.tif", "--model", "mean", "--allow-missing")
    assert done.exit_code == 0, done.stderr
    assert "3 of 5 planes were read" in done.stderr


def test_a_taken_name_is_refused_before_the_work(
    tmp_path: Path, stack_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "f.tif").write_text("yesterday")
    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "fuse", lambda *_, **__: pytest.fail("worked for nothing"))
        done = run("fuse", stack_file, "-o", tmp_path / "f.tif")
    assert (done.exit_code, (tmp_path / "f.tif").read_text()) == (1, "yesterday")
    done = run("fuse", stack_file, "-o", tmp_path / "f.tif", "--model", "mean", "--overwrite")
    assert done.exit_code == 0, done.stderr


def test_the_input_is_never_overwritten(tmp_path: Path, stack_file: Path) -> None:
    before = stack_file.read_bytes()
    done = run("fuse", stack_file, "-o", stack_file, "--model", "mean", "--overwrite")
    assert done.exit_code == 1
    assert "is an input" in done.stderr
    assert stack_file.read_bytes() == before
