"""The Train dock: what it offers, when Start is on, and the way from layers to a model in use."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tifffile
from qtpy.QtWidgets import QAbstractButton, QComboBox, QDoubleSpinBox, QLineEdit, QSpinBox

from napari_swinfusion.focal_stack import FocalStack
from napari_swinfusion.io import write_stack
from napari_swinfusion.losses.recipes import RECIPES
from napari_swinfusion.simulation import simulate
from napari_swinfusion.viewer.readers import layer_data_of

MINUTE = 60_000


@pytest.fixture(scope="module")
def drawn():
    """Return three stacks of three planes with their true sharp images."""
    return [
        simulate(preset="reflected", n_planes=3, height=96, width=96, photons=20_000, seed=seed) for seed in range(3)
    ]


@pytest.fixture
def dock(make_train_dock, drawn):
    """Return a dock in a viewer with three stacks and their references."""
    dock = make_train_dock()
    for i, each in enumerate(drawn):
        data, arguments, _ = layer_data_of(each.stack)
        dock._viewer.add_image(data, **{**arguments, "name": f"leaf {i}"})
        dock._viewer.add_image(
            each.truth, name=f"truth {i}", scale=arguments["scale"][1:], units=arguments["units"][1:]
        )
        dock.source.list.setCurrentRow(i)
        dock.source.reference.choose(dock._viewer.layers[f"truth {i}"])
    return dock


def test_start_is_off_with_the_reason_until_the_choice_is_valid(make_train_dock, drawn):
    dock = make_train_dock()
    panel = dock.panel
    assert not panel.start_button.isEnabled()
    assert panel.start_button.toolTip() == panel.status.message.text()
    assert "Tick at least one z-stack" in panel.status.message.text()
    dock._viewer.add_image(drawn[0].stack.data, name="leaf")
    assert panel.start_button.isEnabled()
    assert dock.source.facts.text() == "1 stack · 3 planes"
    dock.options.recipe.choose("supervised")
    assert "sharp reference; choose one for 'leaf'" in panel.status.message.text()
    wrong = dock._viewer.add_image(np.zeros((96, 90), np.float32), name="cut")
    dock.source.reference.choose(wrong)
    assert "'cut' is 96 × 90, but 'leaf' is 96 × 96 px" in panel.status.message.text()
    dock.source.reference.choose(dock._viewer.add_image(drawn[0].truth, name="truth"))
    assert dock.source.facts.text() == "1 stack · 3 planes · 1 with reference"
    for name, reason in (("", "a name"), ("a/b", "no name for a model"), ("tiny", "already"), ("default", "ships")):
        dock.options.name.setText(name)
        assert reason in panel.start_button.toolTip()
    dock.options.name.setText("mine")
    assert panel.start_button.isEnabled()
    dock.source.folder_button.setChecked(True)
    assert "Choose a folder" in panel.status.message.text()


def test_choices_follow_the_layers_that_come_and_go(dock):
    layers = dock._viewer.layers
    layers["leaf 1"].name = "renamed"
    layers.remove("truth 2")
    dock.source.list.item(0).setCheckState(dock.source.list.item(0).checkState().Unchecked)
    assert [
        (stack.name, reference and reference.name, painted) for stack, reference, painted in dock.source.stacks()
    ] == [("renamed", "truth 1", None), ("leaf 2", None, None)]


def test_every_recipe_and_every_network_is_offered(make_train_dock):
    options = make_train_dock().options
    assert [options.recipe.itemData(i) for i in range(options.recipe.count())] == list(RECIPES)
    assert {options.base.itemData(i) for i in range(options.base.count())} >= {"default", "tiny", None}


def test_it_fits_a_small_window_with_everything_unfolded(dock):
    dock.options.advanced.expand(animate=False)
    assert dock.minimumSizeHint().height() <= 650
    assert dock.sizeHint().width() <= 320
    assert dock.maximumWidth() <= 320


def test_everything_has_a_tooltip(dock):
    kinds = (QAbstractButton, QComboBox, QLineEdit, QSpinBox, QDoubleSpinBox)
    bare = [
        widget
        for kind in kinds
        for widget in dock.findChildren(kind)
        if not widget.toolTip() and not isinstance(widget.parent(), (QSpinBox, QDoubleSpinBox))
    ]
    assert bare == []


def test_check_data_shows_what_is_learned_from_and_what_is_held_out(dock, qtbot):
    dock.check()
    qtbot.waitUntil(lambda: dock.report.list.count() > 0, timeout=MINUTE)
    told = [dock.report.list.item(i).text() for i in range(dock.report.list.count())]
    assert len(told) == 3
    assert sum("held out" in text for text in told) == 1
    assert all("3 planes · 96 × 96 px · reference" in text for text in told)
    assert all(not dock.report.list.item(i).icon().isNull() for i in range(3))


def test_check_data_tells_what_is_wrong_with_a_folder(make_train_dock, qtbot, tmp_path, drawn):
    write_stack(FocalStack(data=np.full((2, 64, 64), 7, np.uint8), axes="ZYX", name="blank"), tmp_path / "blank.tif")
    write_stack(drawn[0].stack, tmp_path / "leaf.tif")
    dock = make_train_dock()
    dock.source.folder_button.setChecked(True)
    dock.source.folder.setText(str(tmp_path))
    assert dock.panel.start_button.isEnabled()
    dock.check()
    qtbot.waitUntil(lambda: dock.report.text.text() != "", timeout=MINUTE)
    assert "All planes of 'blank' are constant" in dock.report.text.text()


def test_a_painted_map_is_shown_with_its_share_and_reaches_the_training(dock, qtbot, own_models):
    painted = np.zeros((96, 96), np.int32)
    painted[:12, :48] = 3
    dock._viewer.add_labels(painted, name="strokes")
    dock.source.list.setCurrentRow(0)
    dock.source.painted.choose(dock._viewer.layers["strokes"])
    assert dock.source.facts.text() == "3 stacks · 9 planes · 3 with reference · 1 painted"
    # Another row has a map of its own.
    dock.source.list.setCurrentRow(1)
    assert dock.source.painted.layer() is None
    dock.check()
    qtbot.waitUntil(lambda: dock.report.list.count() > 0, timeout=MINUTE)
    (told,) = [line for row in range(3) if "leaf 0" in (line := dock.report.list.item(row).text())]
    assert "reference · 6.2% painted" in told
    dock.options.recipe.choose("supervised")
    dock.options.name.setText("strokes")
    dock.options.amount.setValue(1)
    assert dock.start()
    qtbot.waitUntil(lambda: not dock.running, timeout=MINUTE)
    assert dock._result is not None, dock.panel.status.message.text()
    job = json.loads((own_models / "strokes.training" / "job.json").read_text())
    ours = {record["name"]: record.get("painted") for record in job["data"]}
    assert [name for name, path in ours.items() if path] == ["leaf 0"]
    np.testing.assert_array_equal(tifffile.imread(ours["leaf 0"]), painted)


def test_a_painted_map_that_does_not_fit_is_refused_with_the_reason(dock, qtbot):
    dock.source.painted.choose(dock._viewer.add_labels(np.zeros((3, 96, 96), np.uint8), name="deep"))
    assert "The painted map 'deep' is 3 × 96 × 96" in dock.panel.status.message.text()
    dock.source.painted.choose(dock._viewer.add_labels(np.full((96, 96), 4), name="high"))
    dock.check()
    qtbot.waitUntil(lambda: dock.report.text.text() != "", timeout=MINUTE)
    assert "names plane 4, but 'leaf 2' has planes 1 to 3" in dock.report.text.text()


def test_a_new_map_lies_over_its_stack_and_the_brush_paints_the_plane_in_view(dock):
    stack = dock._viewer.layers["leaf 1"]
    dock.source.list.setCurrentRow(1)
    dock.source.new_map.click()
    painted = dock.source.painted.layer()
    assert painted is dock._viewer.layers["leaf 1 [painted]"]
    assert dock.source.facts.text().endswith("1 painted")
    np.testing.assert_allclose(painted.scale, stack.scale[1:])
    np.testing.assert_allclose(painted.extent.world, stack.extent.world[:, 1:])
    for plane in range(3):
        dock._viewer.dims.set_current_step(0, plane)
        painted.paint((20 * plane + 10, 40), painted.selected_label)
        assert painted.data[20 * plane + 10, 40] == plane + 1
    painted.mode = "erase"
    painted.selected_label = 1
    dock._viewer.dims.set_current_step(0, 1)
    assert painted.selected_label == 1


def test_the_training_curve_is_that_of_the_own_images_alone(dock):
    told = [
        {"event": "progress", "step": 1, "loss": 0.5, "simulated": None},
        {"event": "progress", "step": 2, "loss": None, "simulated": -4.0},
        {"event": "progress", "step": 3, "loss": 0.5, "simulated": -4.0},
    ]
    dock.view.show_events(told)
    assert dock.view.loss.points("training") == [(1, 0.5), (3, 0.5)]


def test_from_start_to_a_model_in_the_fuse_dock(dock, qtbot, own_models, tmp_path):
    dock.options.recipe.choose("supervised")
    dock.options.name.setText("leaves")
    dock.options.amount.setValue(2)
    assert dock.start()
    qtbot.waitUntil(lambda: not dock.running, timeout=MINUTE)
    assert dock.panel.status.message.text().startswith("It is better than its base"), dock.panel.status.message.text()
    assert dock.view.loss.points("training")
    assert dock.view.gain.points("psnr")[0] == (0, 0)
    assert "+" in dock.view.result.text()
    layers = {layer.name: layer for layer in dock._viewer.layers}
    held = next(name.removesuffix(" [after]") for name in layers if name.endswith("[after]"))
    for part in ("before", "after", "decision", "reference"):
        np.testing.assert_allclose(layers[f"{held} [{part}]"].scale, layers[held].scale[1:])
    assert (own_models / "leaves.safetensors").exists()
    dock.use()
    (fuse,) = dock._fuse_docks()
    assert fuse.options.model.currentData() == "leaves"
    fuse.source.stack_combo.choose(layers[held])
    assert fuse.start()
    qtbot.waitUntil(lambda: not fuse.running, timeout=MINUTE)
    assert fuse.panel.message.text().startswith("Done")
    dock.export(tmp_path / "copy.safetensors", [])
    qtbot.waitUntil(lambda: "Exported" in dock.panel.status.message.text(), timeout=MINUTE)
    assert (tmp_path / "copy.safetensors").read_bytes() == (own_models / "leaves.safetensors").read_bytes()
