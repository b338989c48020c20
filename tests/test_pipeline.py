"""The corridor: fuse and compose give the right pixels, maps, metadata and provenance, and stop when told."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import napari_swinfusion as nsf
from napari_swinfusion.decide.base import DeciderInfo, GreyPlanes, TileDecision
from napari_swinfusion.errors import CancelledError, InputError, ModelError
from napari_swinfusion.focal_stack import FocalStack, SpatialMetadata
from napari_swinfusion.pipeline import FusedTile
from napari_swinfusion.progress import CancelToken, Progress, ProgressCallback
from napari_swinfusion.tiling import plan_tiles


@dataclass
class Sharpest:
    """A decider of our own: per tile, all weight on the plane with the largest local difference."""

    tile: int = 16
    paints: bool = False
    info: DeciderInfo = field(default_factory=lambda: DeciderInfo(name="sharpest", summary="", sha256="0" * 64))

    def decide(
        self, planes: GreyPlanes, *, progress: ProgressCallback | None = None, cancel: CancelToken | None = None
    ) -> Iterator[TileDecision]:
        tiles = plan_tiles(planes.height, planes.width, core=self.tile, reach=0, multiple=1)
        for done, tile in enumerate(tiles, start=1):
            grey = planes.grey(tile.core)
            assert np.isfinite(grey).all()
            weights = np.zeros_like(grey)
            spread = grey.reshape(len(grey), -1).std(axis=1)
            weights[spread.argmax()] = 1
            yield TileDecision(box=tile.core, weights=weights, image=grey.mean(axis=0) if self.paints else None)
            if progress is not None:
                progress(Progress(stage="decide", done=done, total=len(tiles)))


def halves(dtype: str = "uint16", size: int = 32) -> NDArray[Any]:
    """Two planes: a checkerboard left in plane 0 and right in plane 1, flat elsewhere."""
    top = 200 if np.dtype(dtype).itemsize == 1 else 1000
    board = np.indices((size, size)).sum(axis=0) % 2 * top
    flat = np.full((size, size), top // 2)
    left = np.arange(size) < size // 2
    return np.stack([np.where(left, board, flat), np.where(left, flat, board)]).astype(dtype)


def board(dtype: str = "uint16", size: int = 32) -> NDArray[Any]:
    planes = halves(dtype, size)
    return np.where(np.arange(size) < size // 2, planes[0], planes[1])


@pytest.mark.parametrize("blend", ["soft", "hard"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "int32", "float16", "float32", "float64"])
def test_each_half_comes_from_its_sharp_plane(dtype: str, blend: str) -> None:
    result = nsf.fuse(halves(dtype), model=Sharpest(), blend=blend)
    assert result.image.dtype == dtype
    assert np.array_equal(result.image, board(dtype))
    assert (result.decision == np.where(np.arange(32) < 16, 0, 1)).all()
    assert result.decision.dtype == np.uint8
    assert result.confidence == pytest.approx(1)
    assert np.array_equal(result.depth, result.decision)
    assert result.depth.dtype == np.float32
    assert result.axes == result.decision_axes == "YX"


@pytest.mark.parametrize("model", ["tenengrad", "laplacian-energy", "variance", "laplacian-pyramid", "mean"])
def test_classical_models_fuse_by_name(model: str, scene: Any) -> None:
    result = nsf.fuse(scene.stack, model=model)
    assert result.provenance["model"]["name"] == model
    mean = np.asarray(scene.stack.data).mean(axis=0)
    error, mean_error = (np.abs(image - scene.truth.astype(float)).mean() for image in (result.image, mean))
    assert error < mean_error * (1.01 if model == "mean" else 0.4)


@given(height=st.integers(1, 40), width=st.integers(1, 40), n=st.integers(2, 4), seed=st.integers(0, 99))
@settings(max_examples=40)
def test_any_size_comes_out_as_it_went_in(height: int, width: int, n: int, seed: int) -> None:
    data = np.random.default_rng(seed).integers(0, 4000, (n, height, width), dtype=np.uint16)
    result = nsf.fuse(FocalStack(data=data, axes="ZYX"), model=Sharpest(tile=7), match_illumination=False)
    assert result.image.shape == result.decision.shape == result.confidence.shape == (height, width)
    assert (result.image >= data.min(axis=0)).all()
    assert (result.image <= data.max(axis=0)).all()
    assert result.decision.max() < n


@pytest.mark.parametrize("axes", ["ZYX", "YXZ", "TZYX", "CZYX", "ZYXS", "TCZYXS", "XZCYT"])
def test_axes_come_out_as_they_went_in_without_z(axes: str) -> None:
    sizes = {"T": 2, "C": 2, "Z": 2, "Y": 32, "X": 32, "S": 3}
    data = np.broadcast_to(
        halves().reshape(1, 1, 2, 32, 32, 1) + np.arange(3) * 10, tuple(sizes[axis] for axis in "TCZYXS")
    )
    index = tuple(slice(None) if axis in axes else 0 for axis in "TCZYXS")
    kept = [axis for axis in "TCZYXS" if axis in axes]
    data = data[index].transpose([kept.index(axis) for axis in axes]).astype(np.uint16)
    result = nsf.fuse(FocalStack(data=data, axes=axes), model=Sharpest(), keep_weights=True)
    assert result.axes == axes.replace("Z", "")
    assert result.decision_axes == "".join(axis for axis in axes if axis in "TYX")
    assert result.image.shape == tuple(sizes[axis] for axis in result.axes)
    assert result.weights is not None
    assert result.weights.shape == (2, *(sizes[axis] for axis in result.decision_axes))
    assert result.weights.sum(axis=0) == pytest.approx(1)
    wanted = np.take(data, 0, axis=axes.index("Z")), np.take(data, 1, axis=axes.index("Z"))
    left = np.arange(32).reshape([-1 if axis == "X" else 1 for axis in result.axes]) < 16
    assert np.array_equal(result.image, np.where(left, *wanted))


def test_each_channel_may_decide_for_itself() -> None:
    swapped = np.stack([halves(), halves()[::-1]])
    metadata = SpatialMetadata(channel_names=("DAPI", "GFP"), pixel_size=(0.3, 0.3))
    stack = FocalStack(data=swapped, axes="CZYX", metadata=metadata)
    tiles: list[FusedTile] = []
    each = nsf.fuse(stack, model=Sharpest(), decide_on="each", on_tile=tiles.append, keep_weights=True)
    assert each.decision_axes == "CYX"
    assert np.array_equal(each.image, np.stack([board(), board()]))
    assert np.array_equal(each.decision[0], 1 - each.decision[1])
    assert each.weights is not None
    assert each.weights.shape == (2, 2, 32, 32)
    assert {tile.channel for tile in tiles} == {0, 1}
    assert each.metadata == metadata
    by_name = nsf.fuse(stack, model=Sharpest(), decide_on="GFP")
    assert by_name.decision_axes == "YX"
    assert np.array_equal(by_name.decision, each.decision[1])
    assert np.array_equal(by_name.image[1], board())
    assert np.array_equal(nsf.fuse(halves(), model=Sharpest(), decide_on="each").image, board())


def test_what_is_known_of_the_stack_survives() -> None:
    metadata = SpatialMetadata(pixel_size=(0.65, 0.65), z_step=2.5, unit="µm", time_step=30.0)
    stack = FocalStack(data=halves(), axes="ZYX", metadata=metadata, name="well A01", notices=("Read with care.",))
    result = nsf.fuse(stack, model=Sharpest())
    assert result.metadata == metadata
    assert result.name == "well A01"
    assert result.notices[0] == "Read with care."


def test_provenance_tells_the_run_and_is_json() -> None:
    stack = FocalStack(data=np.stack([halves(), halves()]), axes="TZYX", name="pair", source="pair.tif")
    result = nsf.fuse(stack, model=Sharpest(), register="translation", blend="hard", prefer="top")
    told = json.loads(json.dumps(result.provenance))
    assert told["version"] == nsf.__version__
    assert told["model"] == {"name": "sharpest", "sha256": "0" * 64, "value_preserving": True}
    assert told["parameters"]["blend"] == "hard"
    assert told["parameters"]["prefer"] == "top"
    assert told["parameters"]["register"] == "translation"
    assert told["source"] == {
        "name": "pair", "path": "pair.tif", "axes": "TZYX", "shape": [2, 2, 32, 32], "dtype": "uint16",
    }  # fmt: skip
    assert told["device"] == "cpu"
    assert told["seconds"] > 0
    assert np.array(told["shifts"]).shape == (2, 2, 2)
    assert np.array(told["gains"]).shape == np.array(told["offsets"]).shape == (2, 2, 1)


def test_the_recorded_gains_explain_the_image(rng: np.random.Generator) -> None:
    lamp = np.array([1.0, 0.95, 1.05, 0.98, 1.02])
    scene = rng.normal(20000, 300, (64, 64))
    raw = (scene * lamp[:, None, None]).astype(np.uint16)
    result = nsf.fuse(raw, model="mean", keep_weights=True)
    gains = np.array(result.provenance["gains"])[0, :, 0]
    assert gains * lamp == pytest.approx(np.median(gains * lamp), rel=1e-3)
    assert result.weights is not None
    explained = (result.weights * raw * gains[:, None, None]).sum(axis=0)
    assert np.abs(result.image - explained).max() <= 0.51


def test_tiles_arrive_as_they_finish_and_make_up_the_image() -> None:
    tiles: list[FusedTile] = []
    result = nsf.fuse(halves(size=40), model=Sharpest(tile=16), on_tile=tiles.append)
    assert len(tiles) == 9
    image, confidence = np.zeros((1, 40, 40), dtype=np.uint16), np.zeros((40, 40), dtype=np.float32)
    for tile in tiles:
        image[(..., *tile.box.slices)] = tile.image
        confidence[tile.box.slices] = tile.confidence
        assert tile.weights.shape == (2, tile.box.height, tile.box.width)
    assert np.array_equal(image[0], result.image)
    assert np.array_equal(confidence, result.confidence)


def test_progress_runs_once_to_its_end_over_all_time_points() -> None:
    reports: list[Progress] = []
    nsf.fuse(FocalStack(data=np.stack([halves()] * 3), axes="TZYX"), model=Sharpest(tile=16), progress=reports.append)
    shares = [report.done / report.total for report in reports]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert {report.stage for report in reports} == {"prepare", "decide"}
    assert reports[0].seconds_left is None
    assert reports[-1].seconds_left == 0
    assert all(report.seconds_left is not None for report in reports[2:])


def test_cancel_stops_before_the_next_tile_and_returns_nothing() -> None:
    token = CancelToken()
    tiles: list[FusedTile] = []

    def stop_at_second(tile: FusedTile) -> None:
        tiles.append(tile)
        if len(tiles) == 2:
            token.cancel()

    with pytest.raises(CancelledError):
        nsf.fuse(halves(size=64), model=Sharpest(tile=16), on_tile=stop_at_second, cancel=token)
    assert len(tiles) == 2


def test_a_painted_image_is_returned_in_raw_units_and_hard_overrules_it() -> None:
    painted = nsf.fuse(halves(), model=Sharpest(paints=True))
    assert np.abs(painted.image.astype(float) - halves().mean(axis=0)).max() <= 1
    hard = nsf.fuse(halves(), model=Sharpest(paints=True), blend="hard")
    assert np.array_equal(hard.image, board())


def test_memory_grows_by_a_thumbnail_a_plane_not_by_a_float_plane() -> None:
    def peak_of(n_planes: int) -> int:
        data = np.random.default_rng(0).integers(0, 60000, (n_planes, 768, 768), dtype=np.uint16)
        tracemalloc.start()
        nsf.fuse(data, model=Sharpest(tile=128))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    peak_of(2)  # imports and caches are not what is measured
    few, many = peak_of(12), peak_of(36)
    float_plane = 768 * 768 * 4  # its thumbnail, at half the size, takes a quarter; in all thumbnails are held to 32 MB
    assert many - few < 24 * float_plane / 3
    assert many < 36 * float_plane


def test_compose_from_the_maps_gives_the_hard_image_again(rng: np.random.Generator) -> None:
    lamp = np.array([1.0, 0.95, 1.05, 1.0])
    data = (rng.normal(20000, 2000, (2, 4, 48, 40)) * lamp[None, :, None, None]).astype(np.uint16)
    stack = FocalStack(data=data, axes="TZYX")
    hard = nsf.fuse(stack, model=Sharpest(), blend="hard")
    again = nsf.compose(stack, hard.decision)
    assert np.array_equal(again.image, hard.image)
    assert np.array_equal(again.decision, hard.decision)
    assert (again.confidence == 1).all()
    assert np.array_equal(again.depth, again.decision)
    assert again.provenance["gains"] == hard.provenance["gains"]
    edited = hard.decision.copy()
    edited[0, :10, :10] = 3
    changed = nsf.compose(stack, edited, match_illumination=False)
    assert np.array_equal(changed.image[0, :10, :10], data[0, 3, :10, :10])


@pytest.mark.parametrize(
    ("decision", "message"),
    [
        (np.zeros((31, 32), int), r"shape \(31, 32\), but 'stack' needs \(32, 32\)"),
        (np.zeros((32, 32)), "holds plane indices, not float64"),
        (np.full((32, 32), 2), "names planes 2 to 2, but 'stack' has planes 0 to 1"),
        (np.full((32, 32), -1), "names planes -1"),
    ],
)
def test_compose_refuses_a_map_that_does_not_fit(decision: NDArray[Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        nsf.compose(halves(), decision)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"blend": "medium"}, "'soft' or 'hard'"),
        ({"prefer": "middle"}, "'top', 'bottom'"),
        ({"prompt": "sharp cells"}, "No shipped model takes a prompt"),
        ({"tile": 0}, "too small"),
        ({"register": "affine"}, "'off' or 'translation'"),
        ({"decide_on": 4}, "no channel 4"),
    ],
)
def test_an_impossible_option_is_told(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        nsf.fuse(halves(), model=Sharpest(), **options)


def test_an_unknown_model_is_told() -> None:
    with pytest.raises(ModelError, match="tenengrad"):
        nsf.fuse(halves(), model="tenengrat")


def test_lists_of_planes_and_of_files_are_stacks(tmp_path: Any) -> None:
    import tifffile

    planes = list(halves())
    files = []
    for number, plane in enumerate(planes):
        files.append(tmp_path / f"z{number}.tif")
        tifffile.imwrite(files[-1], plane)
    wanted = board()
    for source in (planes, tuple(planes), files, [str(file) for file in files], tmp_path):
        assert np.array_equal(nsf.fuse(source, model=Sharpest()).image, wanted)


@pytest.mark.parametrize("source", [42, None, {"a": 1}])
def test_what_is_no_stack_is_told(source: Any) -> None:
    with pytest.raises(InputError, match="cannot be fused"):
        nsf.fuse(source, model=Sharpest())


def test_axes_may_be_named_beside_an_array_and_correct_a_stack() -> None:
    moved = np.moveaxis(halves(), 0, -1)
    assert np.array_equal(nsf.fuse(moved, axes="YXZ", model=Sharpest()).image, board())
    mistaken = FocalStack(data=np.stack([halves()] * 2, axis=1), axes="TZYX")
    assert nsf.fuse(mistaken, axes="ZTYX", model=Sharpest()).axes == "TYX"


def test_what_was_given_is_never_written_to() -> None:
    data = halves()
    data.flags.writeable = False
    nsf.fuse(data, model=Sharpest(), register="translation", blend="hard")
    assert np.array_equal(data, halves())
