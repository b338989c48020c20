"""Stacks and their answers are found where users keep them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from napari_swinfusion.cli.app import app
from napari_swinfusion.errors import InputError, LoadError
from napari_swinfusion.evaluation import find_cases, read_case, simulated_case
from napari_swinfusion.io import write_stack
from napari_swinfusion.simulation import simulate
from tests.conftest import Scene


@pytest.fixture
def drawn(tmp_path: Path) -> Path:
    """Return a folder of two simulated stacks with their answers."""
    folder = tmp_path / "drawn"
    options = ["-n", "2", "--planes", "4", "--size", "48", "--seed", "7"]
    done = CliRunner().invoke(app, ["simulate", "-o", str(folder), *options])
    assert done.exit_code == 0, done.output
    return folder


def save_images(folder: Path, names: list[str]) -> None:
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    for name in names:
        Image.fromarray(rng.integers(0, 256, (24, 32), dtype=np.uint8)).save(folder / name)


def test_simulated_stacks_come_back_with_their_answers(drawn: Path) -> None:
    found = find_cases(drawn)
    assert [path.name for (path,) in found] == [
        "organoid-brightfield-0007.ome.tif",
        "organoid-brightfield-0008.ome.tif",
    ]
    case, expected = read_case(found[0]), simulated_case(simulate(n_planes=4, height=48, width=48, seed=7))
    assert (case.stack.read() == expected.stack.read()).all()
    assert case.truth is not None
    assert case.depth is not None
    assert case.lamp is not None
    assert case.truth == pytest.approx(expected.truth)
    assert case.depth == pytest.approx(expected.depth, abs=1e-4)
    assert case.lamp == pytest.approx(expected.lamp)
    assert (case.data_range, case.dark) == pytest.approx((expected.data_range, expected.dark))


def test_pairs_are_found_by_their_letters(tmp_path: Path) -> None:
    save_images(tmp_path, ["one-A.png", "one-B.png", "two_a.png", "two_b.png"])
    found = find_cases(tmp_path)
    assert [[path.name for path in paths] for paths in found] == [
        ["one-A.png", "one-B.png"],
        ["two_a.png", "two_b.png"],
    ]
    assert read_case(found[0]).stack.n_planes == 2
    assert read_case(found[0]).data_range == 255


def test_folders_of_planes_are_found_alone_and_in_a_folder(tmp_path: Path) -> None:
    for name in ("first", "second"):
        save_images(tmp_path / name, [f"z{k}.png" for k in range(3)])
    assert find_cases(tmp_path / "first") == [[tmp_path / "first"]]
    assert find_cases(tmp_path) == [[tmp_path / "first"], [tmp_path / "second"]]
    assert read_case(find_cases(tmp_path)[1]).stack.n_planes == 3


def test_stacks_without_answers_have_a_range_of_their_own(scene: Scene, tmp_path: Path) -> None:
    write_stack(scene.stack, tmp_path / "bare.ome.tif")
    case = read_case([tmp_path / "bare.ome.tif"])
    assert case.truth is case.depth is case.lamp is None
    values = np.asarray(scene.stack.data)
    assert 0.8 * np.ptp(values) < case.data_range <= np.ptp(values)


def test_what_does_not_fit_or_is_not_there_is_told(drawn: Path, tmp_path: Path) -> None:
    stack = drawn / "organoid-brightfield-0007.ome.tif"
    story = drawn / "organoid-brightfield-0007.json"
    facts = json.loads(story.read_text())
    story.write_text(json.dumps(facts | {"lamp": [1.0]}))
    with pytest.raises(InputError, match="planes"):
        read_case([stack])
    story.write_text("{")
    with pytest.raises(LoadError, match="damaged"):
        read_case([stack])
    story.unlink()
    (drawn / "organoid-brightfield-0007.truth.ome.tif").unlink()
    save_images(drawn, ["organoid-brightfield-0007.truth.png"])
    with pytest.raises(InputError, match="single image"):
        read_case([stack])
    (tmp_path / "empty").mkdir()
    with pytest.raises(LoadError, match="no stacks"):
        find_cases(tmp_path / "empty")
    with pytest.raises(LoadError):
        find_cases(tmp_path / "absent")
