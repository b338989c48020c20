"""The dock itself: what it offers, when Run is on, what it tells."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QAbstractButton, QComboBox, QLineEdit, QSpinBox

from napari_swinfusion.decide.registry import list_models
from napari_swinfusion.progress import Progress
from napari_swinfusion.viewer.parts.status import spell_seconds
from napari_swinfusion.viewer.run import estimate_left


def test_run_is_off_with_the_reason_until_the_choice_is_valid(make_dock, scene):
    dock = make_dock()
    assert not dock.panel.run_button.isEnabled()
    assert "Open a z-stack" in dock.panel.message.text()
    dock._viewer.add_image(scene.stack.data[0], name="plane")
    assert not dock.panel.run_button.isEnabled()
    assert dock.panel.run_button.toolTip() == dock.panel.message.text()
    assert "single plane" in dock.panel.message.text()
    stack = dock._viewer.add_image(scene.stack.data, name="slope")
    dock.source.stack_combo.choose(stack)
    assert dock.panel.run_button.isEnabled()
    assert dock.panel.message.text() == ""
    assert dock.source.facts.text() == "5 planes · 128 × 96 px · uint16"


def test_axes_typed_by_hand_are_checked_at_once(make_dock, rng):
    dock = make_dock()
    dock._viewer.add_image(rng.random((2, 5, 16, 16)))
    assert "not named" in dock.panel.message.text()
    dock.options.axes.setText("tz")
    assert not dock.panel.run_button.isEnabled()
    dock.options.axes.setText("tzyx")
    assert dock.panel.run_button.isEnabled()


def test_new_axis_labels_and_new_data_are_noticed(make_dock, rng):
    dock = make_dock()
    layer = dock._viewer.add_image(rng.random((2, 5, 16, 16)))
    layer.axis_labels = ("c", "z", "y", "x")
    assert dock.panel.run_button.isEnabled()
    assert [dock.options.decide_on.itemText(i) for i in range(dock.options.decide_on.count())] == [
        "All together", "Each by itself", "Channel 0", "Channel 1",
    ]  # fmt: skip
    layer.data = rng.random((2, 1, 16, 16))
    assert "at least two" in dock.panel.message.text()


def test_planes_of_different_size_are_refused(make_dock, rng):
    dock = make_dock()
    dock._viewer.add_image(rng.random((16, 16)), name="a")
    dock._viewer.add_image(rng.random((16, 17)), name="b")
    dock.source.planes_button.setChecked(True)
    assert not dock.panel.run_button.isEnabled()
    assert "(16, 16)" in dock.panel.message.text()
    assert "(16, 17)" in dock.panel.message.text()


def test_every_model_of_the_registry_is_offered_with_its_summary(make_dock):
    box = make_dock().options.model
    offered = [(box.itemData(i), box.itemData(i, Qt.ItemDataRole.ToolTipRole)) for i in range(box.count())]
    assert [name for name, _ in offered] == [info.name for info in list_models()]
    for (_, tooltip), info in zip(offered, list_models(), strict=True):
        assert info.summary in tooltip
        assert (info.sha256 or "")[:16] in tooltip


def test_renaming_and_deleting_layers_keeps_the_choice(make_dock, scene):
    dock = make_dock()
    first = dock._viewer.add_image(scene.stack.data, name="first")
    second = dock._viewer.add_image(scene.stack.data, name="second")
    dock.source.stack_combo.choose(second)
    second.name = "renamed"
    assert dock.source.stack_combo.currentText() == "renamed"
    dock._viewer.layers.remove(first)
    assert dock.source.layers() == [second]
    dock._viewer.layers.remove(second)
    assert dock.source.layers() == []
    assert not dock.panel.run_button.isEnabled()


def test_results_are_not_offered_as_sources(fuse_with, scene):
    dock = fuse_with(scene.stack.data, name="slope")
    assert [dock.source.stack_combo.itemText(i) for i in range(dock.source.stack_combo.count())] == ["slope"]


def test_the_choices_reach_the_fusion(make_dock, scene, run_to_end):
    dock = make_dock()
    dock._viewer.add_image(scene.stack.data, name="slope")
    dock.options.register.setChecked(True)
    dock.options.illumination.setChecked(False)
    dock.options.prefer.choose("bottom")
    dock.options.blend.choose("hard")
    dock.options.tile.setValue(64)
    run_to_end(dock)
    provenance = dock._viewer.layers["slope [fused]"].metadata["napari-swinfusion"]["provenance"]
    assert provenance["parameters"] == {
        "register": "translation", "match_illumination": False, "blend": "hard", "prefer": "bottom",
        "decide_on": None, "tile": 64,
    }  # fmt: skip


def test_it_says_when_it_is_done(fuse_with, scene):
    dock = fuse_with(scene.stack.data)
    assert dock.panel.message.text().startswith("Done in")
    assert dock.panel.run_button.isEnabled()
    assert not dock.panel.cancel_button.isEnabled()
    assert not dock.panel.bar.isVisibleTo(dock)


def test_the_window_has_a_turn_after_each_result_layer(make_dock, run_to_end, scene):
    dock = make_dock()
    dock._viewer.add_image(scene.stack.data, name="slope")
    seen = set()
    turns = QTimer()
    turns.timeout.connect(lambda: seen.add(len(dock._viewer.layers)))
    turns.start(0)
    run_to_end(dock)
    assert seen == {1, 2, 3, 4}


def test_no_bar_moves_by_itself_while_a_run_begins(make_dock, scene):
    dock = make_dock()
    dock._viewer.add_image(scene.stack.data, name="slope")
    assert dock.start()
    assert dock.panel.bar.isVisibleTo(dock)
    assert dock.panel.bar.maximum() > dock.panel.bar.minimum()


def test_it_fits_a_small_window_with_everything_unfolded(make_dock, scene):
    dock = make_dock()
    dock._viewer.add_image(scene.stack.data, name="a layer with a very long name that no box can show in full")
    dock.options.advanced.expand(animate=False)
    assert dock.minimumSizeHint().height() <= 650
    assert dock.sizeHint().width() <= 320
    assert dock.maximumWidth() <= 320


def test_everything_has_a_tooltip(make_dock):
    dock = make_dock()
    kinds = (QAbstractButton, QComboBox, QLineEdit, QSpinBox)
    bare = [
        widget
        for kind in kinds
        for widget in dock.findChildren(kind)
        if not widget.toolTip() and not isinstance(widget.parent(), QSpinBox)
    ]
    assert bare == []


def test_progress_tells_the_time_left(make_dock):
    panel = make_dock().panel
    panel.set_running(True)
    panel.show_progress(Progress(stage="decide", done=3, total=12, seconds_left=41.7))
    assert (panel.bar.value(), panel.bar.maximum()) == (3, 12)
    assert panel.time_left.text() == "Fusing · about 42 s left"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "less than 1 s"), (12.2, "about 12 s"), (200.0, "about 3 min"), (9000.0, "about 2.5 h")],
)
def test_durations_are_spelled_for_people(seconds, text):
    assert spell_seconds(seconds) == text


def test_time_left_follows_the_pace():
    assert estimate_left(10.0, 5, 20) == 30.0
    assert estimate_left(10.0, 0, 20) is None


def test_the_source_is_never_written_to(fuse_with, scene):
    data = scene.stack.data.copy()
    data.setflags(write=False)
    fuse_with(data)
    np.testing.assert_array_equal(data, scene.stack.data)
