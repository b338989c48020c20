from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from napari_swinfusion.errors import InputError
from napari_swinfusion.focal_stack import FocalStack
from napari_swinfusion.io import write_stack
from napari_swinfusion.training.data.checks import GAP, check_data
from napari_swinfusion.training.data.crops import OwnStacks
from napari_swinfusion.training.data.examples import Example, attach, collect, find_examples
from napari_swinfusion.training.data.held_out import held_out_crops, score
from napari_swinfusion.training.data.regions import look, sharp_tiles
from napari_swinfusion.training.finetuning import finetune


def save_planes(folder: Path, stem: str, names: list[str], example: Example, suffix: str = ".tif") -> list[Path]:
    folder.mkdir(exist_ok=True)
    paths = [folder / f"{stem}{name}{suffix}" for name in names]
    for path, plane in zip(paths, np.asarray(example.stack.data), strict=False):
        if suffix == ".tif":
            tifffile.imwrite(path, plane)
        else:
            Image.fromarray((plane / 100).astype(np.uint8)).save(path)
    return paths


def test_stacks_pairs_and_their_references_are_found_in_a_folder(simulated: list[Example], tmp_path: Path) -> None:
    write_stack(simulated[0].stack, tmp_path / "leaf-stack.ome.tif")
    tifffile.imwrite(tmp_path / "leaf-truth.ome.tif", simulated[0].reference)
    tifffile.imwrite(tmp_path / "leaf-depth.ome.tif", simulated[0].reference)
    painted = np.zeros((96, 96), np.uint8)
    painted[:10] = 4
    tifffile.imwrite(tmp_path / "leaf-painted.tif", painted)
    save_planes(tmp_path / "folder-of-planes", "z", ["00", "01", "02"], simulated[1])
    save_planes(tmp_path, "fly", ["_z1", "_z2", "_z10"], simulated[2])
    save_planes(tmp_path, "lytro-01", ["-A", "-B"], simulated[3], ".png")
    (tmp_path / "notes").mkdir()
    (tmp_path / "readme.txt").write_text("no image")
    examples, problems = find_examples(tmp_path)
    assert not problems
    found = {example.name: example for example in examples}
    assert {name: example.stack.n_planes for name, example in found.items()} == {
        "leaf": 4, "folder-of-planes": 3, "fly": 3, "lytro-01": 2,
    }  # fmt: skip
    assert found["leaf"].reference is not None
    assert found["leaf"].painted is not None
    assert found["lytro-01"].reference is None
    assert [path.name for path in found["fly"].files] == ["fly_z1.tif", "fly_z2.tif", "fly_z10.tif"]


@pytest.mark.parametrize("sides", [("A", "B"), ("source_1", "source_2"), ("in front", "behind")])
def test_pairs_in_two_folders_are_found_by_their_names(
    simulated: list[Example], tmp_path: Path, sides: tuple[str, str]
) -> None:
    for number, example in enumerate(simulated, start=1):
        for side, plane in zip(sides, (0, 3), strict=True):
            (tmp_path / side).mkdir(exist_ok=True)
            tifffile.imwrite(tmp_path / side / f"{number}.tif", np.asarray(example.stack.data)[plane])
    (tmp_path / "gt").mkdir()
    tifffile.imwrite(tmp_path / "gt" / "2.tif", simulated[1].reference)
    (tmp_path / "Painted").mkdir()
    tifffile.imwrite(tmp_path / "Painted" / "3.tif", np.ones((96, 96), np.uint8))
    tifffile.imwrite(tmp_path / sides[0] / "5.tif", np.zeros((96, 96), np.uint16))
    examples, problems = find_examples(tmp_path)
    assert {example.name: example.stack.n_planes for example in examples} == {str(number): 2 for number in range(1, 5)}
    assert [example.name for example in examples if example.reference is not None] == ["2"]
    assert [example.name for example in examples if example.painted is not None] == ["3"]
    assert [problem.text for problem in problems] == [f"5.tif is in {sides[0]}, but not in {sides[1]}."]


def test_folders_of_planes_with_equal_names_stay_a_stack_each(simulated: list[Example], tmp_path: Path) -> None:
    for example, kept in zip(simulated, (4, 4, 3, 4), strict=True):
        save_planes(tmp_path / example.name, "z", ["00", "01", "02", "03"][:kept], example)
    examples, problems = find_examples(tmp_path)
    assert not problems
    assert [(example.name, example.stack.n_planes) for example in examples] == [
        ("slope 0", 4), ("slope 1", 4), ("slope 2", 3), ("slope 3", 4),
    ]  # fmt: skip


def test_D11_what_cannot_be_trained_on_is_listed_with_its_files_before_anything_starts(
    simulated: list[Example], tmp_path: Path
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    lonely = save_planes(data, "lonely", ["_z1"], simulated[0])[0]
    tifffile.imwrite(data / "small.tif", np.ones((3, 20, 20), np.uint8), metadata={"axes": "ZYX"}, imagej=True)
    tifffile.imwrite(data / "black.tif", np.zeros((3, 64, 64), np.uint8), metadata={"axes": "ZYX"}, imagej=True)
    (data / "broken.tif").write_bytes(b"no tiff at all")
    tifffile.imwrite(data / "nobody-reference.tif", np.zeros((64, 64), np.uint8))
    report = check_data(data)
    told = " ".join(problem.text for problem in report.problems)
    for name in ("lonely", "small", "black", "broken", "nobody"):
        assert name in told
    assert lonely in {path for problem in report.problems for path in problem.files}
    with pytest.raises(InputError, match=r"cannot be trained on: .*lonely_z1\.tif"):
        finetune(data, out=tmp_path / "m.safetensors")
    assert not (tmp_path / "m.safetensors").exists()


def test_D11_an_empty_folder_and_one_plane_are_errors(tmp_path: Path) -> None:
    for data in (tmp_path, np.zeros((1, 64, 64), np.uint8)):
        assert any("no stack to train on" in problem.text for problem in check_data(data).problems)


def test_D11_a_recipe_that_needs_references_names_the_stacks_without(simulated: list[Example]) -> None:
    report = check_data([simulated[0], replace(simulated[1], reference=None)], needs_truth=True)
    assert ["slope 1" in problem.text for problem in report.problems] == [True]


def test_D11_the_same_planes_in_training_and_validation_are_an_error(simulated: list[Example]) -> None:
    copy = replace(simulated[0], stack=replace(simulated[0].stack, name="copy"))
    report = check_data(simulated[:2], held_out=[copy])
    assert "'slope 0' is learned from and 'copy' held out" in report.problems[0].text
    assert not check_data(simulated[:2], held_out=simulated[2:]).problems


@pytest.mark.parametrize(
    ("part", "image", "message"),
    [
        ("reference", np.zeros((90, 96)), "have to match"),
        ("painted", np.zeros((96, 96)), "plane numbers"),
        ("painted", np.full((96, 96), 5), "planes 1 to 4"),
    ],
)
def test_D11_a_reference_or_map_that_does_not_fit_is_refused(
    simulated: list[Example], part: str, image: np.ndarray, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        attach(simulated[0], part, image)


def test_halves_keep_their_distance_and_stacks_stay_whole(simulated: list[Example]) -> None:
    (left,), (right,) = (lambda r: (r.training, r.held_out))(check_data(simulated[0]))
    assert right.box.x0 - left.box.x1 >= GAP // 2
    assert left.box.height == 96
    report = check_data(simulated)
    assert len(report.training) == 3
    assert {region.name for region in report.training}.isdisjoint(region.name for region in report.held_out)
    assert check_data(simulated).to_dict() == report.to_dict()


def test_arrays_become_examples_of_their_own(simulated: list[Example]) -> None:
    arrays = [np.asarray(example.stack.data) for example in simulated[:2]]
    examples, problems = collect(arrays)
    assert len(examples) == 2
    assert not problems
    assert {entry.name for entry in check_data(arrays).entries} == {"stack", "stack (2)"}


def test_crops_hold_what_their_names_say(simulated: list[Example]) -> None:
    painted = np.zeros((96, 96), np.uint8)
    painted[:, :24] = 1  # Where plane 1 (counted from 1) is the sharp one.
    example = replace(simulated[0], painted=painted)
    source = OwnStacks(look(example))
    generator = torch.Generator().manual_seed(0)
    labels = set()
    for _ in range(12):
        batch = source.draw(generator, 5, 32, 12)
        b, n, h, w = batch.planes.shape
        assert (h, w) == (32, 32)
        assert 2 <= n <= 4
        assert batch.truth is not None
        assert batch.painted is not None
        assert len(batch.names) == b
        assert batch.painted.max() <= n
        # The painted plane is the one nearest the truth, whatever was turned, reversed or left out.
        for i in range(b):
            there = batch.painted[i] > 0
            if there.sum() > 100:
                label = int(batch.painted[i][there][0])
                error = (batch.clean[i] - batch.truth[i])[:, there].abs().mean(1)
                assert int(error.argmin()) == label - 1
                labels.add(label)
    assert labels


def test_the_same_seed_draws_the_same_crops(simulated: list[Example]) -> None:
    one, other = (OwnStacks(look(simulated[0])).draw(torch.Generator().manual_seed(5), 4, 48, 8) for _ in range(2))
    assert torch.equal(one.planes, other.planes)
    assert one.names == other.names


def test_regions_smaller_than_a_crop_are_mirrored(simulated: list[Example]) -> None:
    batch = OwnStacks(look(simulated[0])).draw(torch.Generator().manual_seed(1), 4, 128, 4)
    assert batch.planes.shape[-2:] == (128, 128)


def test_a_reference_of_another_scale_is_brought_to_that_of_the_planes(simulated: list[Example]) -> None:
    reference = simulated[0].reference
    assert reference is not None
    (same,), (scaled,) = (
        look(replace(simulated[0], reference=image)) for image in (reference, (reference / 256 + 7).astype(np.float32))
    )
    assert same.truth is not None
    assert scaled.truth is not None
    np.testing.assert_allclose(scaled.truth, same.truth, atol=2e-3)
    planes = same.planes(same.box)
    sharp = np.stack([planes[z, :, 24 * z + 4 : 24 * z + 20] for z in range(4)])
    truth = np.stack([same.truth[:, 24 * z + 4 : 24 * z + 20] for z in range(4)])
    assert np.abs(sharp - truth).mean() < 0.02


def test_scores_without_a_truth_order_images_as_the_truth_does(simulated: list[Example]) -> None:
    (region,) = look(replace(simulated[0], reference=None))
    watching, judging = held_out_crops([region], most=4, planes=24)
    assert not {crop.box for crop in watching} & {crop.box for crop in judging}
    truth = look(simulated[0])[0].truth
    assert truth is not None
    for crop in judging:
        sharp, mean, plane = truth[crop.box.slices], crop.planes.mean(0), crop.planes[-1]
        detail = [score(image, crop)["detail"] for image in (sharp, mean, plane)]
        assert detail[0] > max(detail[1:]) + 3
        assert score(sharp + 0.1, crop)["fidelity"] < score(sharp, crop)["fidelity"] - 10


def test_textures_are_cut_from_the_sharpest_plane(simulated: list[Example]) -> None:
    tiles = sharp_tiles(look(simulated[0]), side=24)
    assert tiles
    for tile in tiles:
        assert tile.dtype == np.float32
        assert 0 <= tile.min() <= tile.max() <= 1


def test_a_time_series_gives_a_region_a_time_point(simulated: list[Example]) -> None:
    movie = np.stack([np.asarray(example.stack.data) for example in simulated[:2]])
    report = check_data(FocalStack(data=movie, axes="TZYX", name="movie"))
    assert [region.name for region in report.training] == ["movie at time 0", "movie at time 1"]


def test_a_plane_that_is_left_out_is_not_learned_from(simulated: list[Example]) -> None:
    planes = np.asarray(simulated[0].stack.data)
    painted = np.zeros(planes.shape[1:], np.uint8)
    painted[0], painted[1], painted[2] = 1, 2, 3
    blank = np.insert(planes, 1, 0, axis=0)
    (whole,) = look(replace(simulated[0], painted=np.where(painted == 3, 2, painted == 1)))
    (harmed,) = look(replace(simulated[0], stack=FocalStack.from_array(blank), painted=painted))
    assert harmed.n_planes == whole.n_planes
    np.testing.assert_allclose(harmed.planes(harmed.box), whole.planes(whole.box), atol=0.02)
    np.testing.assert_array_equal(harmed.planes(harmed.box, [1]), harmed.planes(harmed.box)[1:2])
    np.testing.assert_array_equal(harmed.painted, whole.painted)
