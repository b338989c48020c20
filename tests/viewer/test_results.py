"""Result layers, through the dock and the real fusion."""

from __future__ import annotations

import json

import numpy as np
import pytest
from napari.layers import Image, Labels

from napari_swinfusion import fuse

UM = ("micrometer",) * 3


def results(dock):
    return {layer.name.rpartition("[")[2].rstrip("]"): layer for layer in dock._viewer.layers if "[" in layer.name}


def test_results_lie_on_their_source(fuse_with, scene):
    dock = fuse_with(
        scene.stack.data, name="slope", scale=(4, 0.5, 0.5), translate=(8, 3, 5), units=UM, axis_labels=("z", "y", "x"),
        contrast_limits=(10, 60000), colormap="green",
    )  # fmt: skip
    made = results(dock)
    expected = fuse(scene.stack, model="tenengrad")
    assert [layer.name for layer in dock._viewer.layers] == [
        "slope", "slope [confidence]", "slope [decision]", "slope [fused]",
    ]  # fmt: skip
    np.testing.assert_array_equal(made["fused"].data, expected.image)
    np.testing.assert_array_equal(made["decision"].data, expected.decision + 1)
    np.testing.assert_array_equal(made["confidence"].data, expected.confidence)
    assert made["fused"].data.dtype == scene.stack.dtype
    assert isinstance(made["decision"], Labels)
    assert isinstance(made["confidence"], Image)
    assert tuple(made["fused"].contrast_limits) == (10, 60000)
    assert made["fused"].colormap.name == "green"
    for layer in made.values():
        assert tuple(layer.scale) == (0.5, 0.5)
        assert tuple(layer.translate) == (3, 5)
        assert [str(unit) for unit in layer.units] == ["micrometer", "micrometer"]
        assert layer.axis_labels == ("y", "x")
        assert layer.visible


def test_the_depth_map_is_a_fourth_layer_where_it_is_asked_for(make_dock, scene, run_to_end):
    dock = make_dock()
    dock._viewer.add_image(scene.stack.data, name="slope", scale=(4, 0.5, 0.5))
    dock.options.depth.setChecked(True)
    run_to_end(dock)
    depth = results(dock)["depth"]
    np.testing.assert_array_equal(depth.data, fuse(scene.stack, model="tenengrad").depth)
    assert tuple(depth.contrast_limits) == (0, scene.stack.n_planes - 1)
    assert tuple(depth.scale) == (0.5, 0.5)


def test_a_depth_layer_lies_below_its_neighbours_and_never_grows_old(fuse_with, scene, run_to_end):
    dock = fuse_with(scene.stack.data, name="slope")
    dock.options.depth.setChecked(True)
    run_to_end(dock)
    order = ["slope", "slope [depth]", "slope [confidence]", "slope [decision]", "slope [fused]"]
    assert [layer.name for layer in dock._viewer.layers] == order
    dock.options.depth.setChecked(False)
    dock.options.model.choose("mean")
    run_to_end(dock)
    assert [layer.name for layer in dock._viewer.layers] == order
    depth = results(dock)["depth"]
    np.testing.assert_array_equal(depth.data, fuse(scene.stack, model="mean").depth)
    assert depth.metadata["napari-swinfusion"]["provenance"]["model"]["name"] == "mean"


def test_depth_is_told_for_each_channel_and_time(make_dock, scene, run_to_end):
    dock = make_dock()
    both = np.stack([scene.stack.data, scene.stack.data[::-1]])
    dock._viewer.add_image(np.stack([both] * 2), name="series", axis_labels=("t", "c", "z", "y", "x"))
    dock.options.decide_on.choose("each")
    dock.options.depth.setChecked(True)
    run_to_end(dock)
    depth = results(dock)["depth"].data
    assert depth.reshape(2, 2, 96, 128)[1, 0].mean() == pytest.approx(4 - depth.reshape(2, 2, 96, 128)[1, 1].mean())


def test_the_provenance_is_kept_as_json(fuse_with, scene):
    for role, layer in results(fuse_with(scene.stack.data, name="slope")).items():
        kept = layer.metadata["napari-swinfusion"]
        assert (kept["role"], kept["source"]) == (role, "slope")
        assert json.loads(json.dumps(kept["provenance"]))["model"]["name"] == "tenengrad"


def test_colour_stays_colour(fuse_with, rng):
    fused = results(fuse_with(rng.integers(0, 255, (4, 32, 40, 3), "uint8"), rgb=True))["fused"]
    assert fused.rgb
    assert fused.data.shape == (32, 40, 3)


def test_grey_of_width_three_is_not_taken_for_colour(fuse_with, rng):
    fused = results(fuse_with(rng.integers(0, 255, (4, 40, 3), "uint8"), rgb=False, axis_labels=("z", "y", "x")))[
        "fused"
    ]
    assert not fused.rgb
    assert fused.data.shape == (40, 3)


def test_each_time_point_lies_at_its_own_time(fuse_with, rng):
    data = rng.integers(0, 60000, (3, 4, 32, 40), "uint16")
    dock = fuse_with(data, axis_labels=("t", "z", "y", "x"), scale=(1, 2, 1, 1))
    layer = results(dock)["fused"]
    assert layer.data.shape == (3, 1, 32, 40)
    for time in range(3):
        for z in range(4):
            dock._viewer.dims.set_point((0, 1), (time, 2 * z))
            assert layer.get_value((time, 2 * z, 5, 6), world=True) == layer.data[time, 0, 5, 6]


def test_channels_decided_each_by_itself_have_maps_of_their_own(make_dock, rng, run_to_end):
    dock = make_dock()
    dock._viewer.add_image(rng.integers(0, 60000, (2, 4, 32, 40), "uint16"), axis_labels=("c", "z", "y", "x"))
    dock.options.decide_on.choose("each")
    run_to_end(dock)
    made = results(dock)
    assert made["decision"].data.shape == (2, 1, 32, 40)
    assert made["fused"].data.shape == (2, 1, 32, 40)


def test_two_plane_layers_fuse(make_dock, scene_pair, run_to_end):
    dock = make_dock()
    for name, plane in zip(("near", "far"), scene_pair.stack.data, strict=True):
        dock._viewer.add_image(plane, name=name, scale=(2, 2), units=UM[:2])
    dock.source.planes_button.setChecked(True)
    run_to_end(dock)
    made = results(dock)
    expected = fuse(scene_pair.stack.data, model="tenengrad")
    assert made["fused"].name == "near + far [fused]"
    np.testing.assert_array_equal(made["fused"].data, expected.image)
    assert tuple(made["decision"].scale) == (2, 2)


def test_dask_data_fuses_like_numpy(fuse_with, scene):
    da = pytest.importorskip("dask.array")
    made = results(fuse_with(da.from_array(scene.stack.data, chunks=(1, 48, 64))))
    np.testing.assert_array_equal(made["fused"].data, fuse(scene.stack, model="tenengrad").image)


def test_a_second_run_replaces_the_data_of_the_first(fuse_with, scene, run_to_end):
    dock = fuse_with(scene.stack.data, name="slope")
    before = results(dock)
    names = [layer.name for layer in dock._viewer.layers]
    dock.options.model.choose("mean")
    run_to_end(dock)
    assert [layer.name for layer in dock._viewer.layers] == names
    assert results(dock)["fused"] is before["fused"]
    np.testing.assert_array_equal(before["fused"].data, fuse(scene.stack, model="mean").image)
    assert before["fused"].metadata["napari-swinfusion"]["provenance"]["model"]["name"] == "mean"


def test_a_deleted_result_is_added_again(fuse_with, scene, run_to_end):
    dock = fuse_with(scene.stack.data, name="slope")
    dock._viewer.layers.remove("slope [decision]")
    run_to_end(dock)
    assert sorted(results(dock)) == ["confidence", "decision", "fused"]
    assert len(dock._viewer.layers) == 4


def test_another_source_gets_results_of_its_own(fuse_with, scene, run_to_end):
    dock = fuse_with(scene.stack.data, name="first")
    second = dock._viewer.add_image(scene.stack.data[:3], name="second")
    dock.source.stack_combo.choose(second)
    run_to_end(dock)
    assert {"first [fused]", "second [fused]"} < {layer.name for layer in dock._viewer.layers}


def test_a_preview_shows_the_visible_region_in_its_place(make_dock, qtbot, scene, run_to_end):
    dock = make_dock()
    source = dock._viewer.add_image(scene.stack.data, name="slope", scale=(4, 0.5, 0.5))
    source.corner_pixels = np.array([[0, 10, 20], [0, 59, 99]])
    assert dock.start_preview()
    qtbot.waitUntil(lambda: not dock.running, timeout=20_000)
    preview = dock._viewer.layers["slope [preview]"]
    region = scene.stack.data[:, 10:60, 20:100]
    np.testing.assert_array_equal(preview.data, fuse(region, model="tenengrad").image)
    assert tuple(preview.translate) == (5, 10)
    assert len(dock._viewer.layers) == 2
    run_to_end(dock)
    assert sorted(results(dock)) == ["confidence", "decision", "fused"]
