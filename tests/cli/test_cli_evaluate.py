"""`swinfusion evaluate` prints a table, writes JSON and draws a sheet."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from napari_swinfusion.cli.app import app


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "120"})


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of two simulated stacks with their answers."""
    folder = tmp_path_factory.mktemp("drawn")
    done = run("simulate", "-o", folder, "-n", 2, "--planes", 4, "--size", 64)
    assert done.exit_code == 0, done.stderr
    return folder


def test_models_by_metrics_with_json_and_sheet(drawn: Path, tmp_path: Path) -> None:
    scores, sheet = tmp_path / "scores.json", tmp_path / "sheet.png"
    done = run("evaluate", drawn, "-m", "mean", "-m", "tenengrad", "--json", scores, "--sheet", sheet)
    assert done.exit_code == 0, done.stderr
    header, *rows = done.stdout.splitlines()
    assert header.split() == ["metric", "better", "mean", "tenengrad"]
    assert any(row.strip().startswith("psnr, dB") and "±" in row for row in rows)
    assert "over 2 stacks" in rows[-1]
    told = json.loads(scores.read_text(encoding="utf-8"))
    assert told["summary"]["mean"]["psnr"]["n"] == 2
    assert list(told["scores"]["tenengrad"]) == ["organoid-brightfield-0000", "organoid-brightfield-0001"]
    with Image.open(sheet) as picture:
        # Two methods and the truth, side by side.
        assert picture.width > 3 * 300
    assert not list(tmp_path.glob("*.partial"))


def test_chosen_metrics_as_json_on_stdout(drawn: Path) -> None:
    done = run("evaluate", drawn, "-m", "mean", "--metric", "psnr", "--metric", "ssim", "--quiet")
    assert done.exit_code == 0, done.stderr
    summary = json.loads(done.stdout)
    assert list(summary["mean"]) == ["psnr", "ssim"]


def test_results_are_not_lost_and_inputs_not_misread(drawn: Path, tmp_path: Path) -> None:
    there = tmp_path / "there.json"
    there.write_text("{}")
    taken = run("evaluate", drawn, "-m", "mean", "--json", there)
    assert taken.exit_code == 1
    assert "exists already" in taken.stderr
    assert there.read_text() == "{}"
    assert run("evaluate", drawn, "-m", "mean", "--metric", "psnr", "--json", there, "--overwrite").exit_code == 0
    assert "PNG" in run("evaluate", drawn, "--sheet", tmp_path / "sheet.tif").stderr
    assert "no metric 'beauty'" in run("evaluate", drawn, "-m", "mean", "--metric", "beauty").stderr
    assert run("evaluate", tmp_path / "absent", "-m", "mean").exit_code == 1
