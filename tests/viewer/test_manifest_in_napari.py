"""The manifest at work: menus, sample data and preferences in a real viewer."""

from __future__ import annotations

import numpy as np
import pytest
from napari.settings import get_plugin_settings
from npe2 import PluginManifest

from napari_swinfusion.viewer.fuse_dock import FuseDock
from napari_swinfusion.viewer.preferences import Preferences, load_preferences
from napari_swinfusion.viewer.train_dock import TrainDock

PLUGIN = "napari-swinfusion"


@pytest.mark.parametrize(("name", "kind"), [("Fuse focal stack", FuseDock), ("Train fusion network", TrainDock)])
def test_each_dock_opens_by_its_name(make_napari_viewer, name, kind):
    viewer = make_napari_viewer()
    _, dock = viewer.window.add_plugin_dock_widget(PLUGIN, name)
    assert isinstance(dock, kind)


def test_the_docks_are_in_the_layers_menu():
    menus = PluginManifest.from_distribution(PLUGIN).contributions.menus
    assert [item.command for item in menus["napari/layers/project"]] == [
        "napari-swinfusion.fuse_dock", "napari-swinfusion.train_dock",
    ]  # fmt: skip


def test_the_sample_stack_can_be_fused(make_dock):
    dock = make_dock()
    (layer,) = dock._viewer.open_sample(PLUGIN, "organoid_stack")
    assert layer.data.shape == (11, 512, 512)
    assert layer.data.dtype == np.uint16
    assert layer.axis_labels == ("z", "y", "x")
    assert [str(unit) for unit in layer.units] == ["micrometer"] * 3
    assert dock.panel.run_button.isEnabled()


def test_the_two_sample_planes_can_be_fused(make_dock):
    dock = make_dock()
    upper, lower = dock._viewer.open_sample(PLUGIN, "two_planes")
    assert (upper.name, lower.name) == ("Upper plane", "Lower plane")
    assert upper.data.shape == lower.data.shape == (512, 512)
    assert not np.array_equal(upper.data, lower.data)
    dock.source.planes_button.setChecked(True)
    assert dock.source.layers() == [upper, lower]
    assert dock.panel.run_button.isEnabled()


@pytest.fixture
def saved(npe2pm, plugin_settings):
    """Return the plugin's settings, saved in a folder of this test."""
    npe2pm.register(PluginManifest.from_distribution(PLUGIN))
    return get_plugin_settings(PLUGIN).fusion


def test_preferences_start_with_the_defaults(saved):
    assert load_preferences() == Preferences()


def test_preferences_reach_the_dock_and_its_runs(saved, make_napari_viewer, scene):
    saved.model = "laplacian-pyramid"
    saved.device = "cpu"
    saved.threads = 3
    viewer = make_napari_viewer()
    viewer.add_image(scene.stack.data)
    dock = FuseDock(viewer)
    viewer.window.add_dock_widget(dock)
    request = dock._resolve()
    assert (request.options.model, request.options.device, request.threads) == ("laplacian-pyramid", "cpu", 3)


def test_a_device_that_does_not_exist_cannot_be_preferred(saved):
    with pytest.raises(ValueError, match="allowed enum values"):
        saved.device = "abacus"


def test_without_the_plugin_registered_the_defaults_hold(npe2pm, plugin_settings):
    assert load_preferences() == Preferences()
