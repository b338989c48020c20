from __future__ import annotations

import napari
import numpy as np
import pytest

from napari_swinfusion.io import write_fused, write_stack
from napari_swinfusion.pipeline import fuse
from napari_swinfusion.viewer.open_result import show_result


@pytest.fixture
def viewer(qtbot):
    made = napari.Viewer(show=False)
    yield made
    made.close()


def test_written_results_come_back_as_the_layers_of_a_run(viewer, scene, tmp_path) -> None:
    fused = fuse(scene.stack, model="tenengrad")
    write_stack(scene.stack, tmp_path / "stack.ome.tif")
    write_fused(
        fused,
        tmp_path / "fused.ome.tif",
        decision=tmp_path / "decision.ome.tif",
        confidence=tmp_path / "confidence.ome.tif",
        depth=tmp_path / "depth.ome.tif",
    )
    show_result(viewer, tmp_path)
    source, depth, confidence, decision, image = viewer.layers
    assert source.data.shape == scene.stack.data.shape
    np.testing.assert_array_equal(image.data, fused.image)
    np.testing.assert_array_equal(decision.data, fused.decision + 1)
    np.testing.assert_array_equal(confidence.data, fused.confidence)
    np.testing.assert_array_equal(depth.data, fused.depth)
    roles = [layer.name.split(" ")[-1] for layer in viewer.layers[1:]]
    assert roles == ["[depth]", "[confidence]", "[decision]", "[fused]"]
    np.testing.assert_allclose(image.scale, scene.stack.metadata.pixel_size)
