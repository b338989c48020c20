"""What goes wrong while a fusion runs in the viewer (rows B of the fault list)."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("napari", reason="the viewer's tests need napari and Qt: pip install napari-swinfusion[all]")

from napari.utils.notifications import notification_manager
from napari.utils.progress import progress as activity

import napari_swinfusion.pipeline as pipeline
from napari_swinfusion.errors import InputError
from napari_swinfusion.viewer.fuse_dock import FuseDock

ONE_SECOND = 1000
TEN_SECONDS = 10_000


@pytest.fixture
def dock(make_dock: Callable[[], FuseDock], scene: Any) -> FuseDock:
    """Return a dock, ready to fuse a stack of five planes."""
    dock = make_dock()
    dock._viewer.add_image(scene.stack.data, name="slope")
    dock.options.tile.setValue(32)
    return dock


class Gate:
    """The real fusion, stopped after its first tile until the gate is opened."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.reached = threading.Event()
        self.fuse = pipeline.fuse

    def __call__(self, *args: Any, on_tile: Callable[[Any], None], **options: Any) -> Any:
        def wait_after(tile: Any) -> None:
            on_tile(tile)
            self.reached.set()
            self.open.wait(10)

        return self.fuse(*args, on_tile=wait_after, **options)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    gate = Gate()
    monkeypatch.setattr(pipeline, "fuse", gate)
    yield gate
    gate.open.set()


def fail_with(monkeypatch: pytest.MonkeyPatch, error: BaseException, *, after_tiles: bool = False) -> None:
    """Let the next fusion fail with `error`, at once or after its tiles."""
    fuse = pipeline.fuse

    def broken(*args: Any, **options: Any) -> Any:
        if after_tiles:
            fuse(*args, **options)
        raise error

    monkeypatch.setattr(pipeline, "fuse", broken)


def wait_for_first_tile(dock: FuseDock, gate: Gate, qtbot: Any) -> None:
    qtbot.waitUntil(lambda: gate.reached.is_set() and len(dock._viewer.layers) == 4, timeout=TEN_SECONDS)


ERRORS = [
    RuntimeError("the convolution broke"),
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    MemoryError(),
    SystemExit(3),
    KeyboardInterrupt(),
    ValueError("one value was wrong"),
    KeyError("depth"),
    StopIteration(),
    GeneratorExit(),
    OSError(5, "the drive is gone"),
    RecursionError("maximum recursion depth exceeded"),
    InputError("'slope' cannot be fused; crop it."),
    type("HomeMade", (BaseException,), {})("own class"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_B5_any_error_in_the_worker_reaches_the_user(dock, qtbot, monkeypatch, error):
    fail_with(monkeypatch, error)
    shown = []
    notification_manager.notification_ready.connect(shown.append)
    try:
        assert dock.start()
        qtbot.waitUntil(lambda: not dock.running, timeout=ONE_SECOND)
    finally:
        notification_manager.notification_ready.disconnect(shown.append)
    sentence = dock.panel.message.text()
    assert sentence
    assert [notice.message for notice in shown] == [sentence]
    assert dock.panel.run_button.isEnabled()
    assert not dock.panel.bar.isVisibleTo(dock)
    assert len(activity._all_instances) == 0
    assert [layer.name for layer in dock._viewer.layers] == ["slope"]


def test_B5_an_error_after_some_tiles_leaves_nothing(dock, qtbot, monkeypatch):
    fail_with(monkeypatch, RuntimeError("late"), after_tiles=True)
    assert dock.start()
    qtbot.waitUntil(lambda: not dock.running, timeout=TEN_SECONDS)
    assert [layer.name for layer in dock._viewer.layers] == ["slope"]


def test_B5_an_error_brings_back_the_earlier_result(dock, qtbot, monkeypatch):
    assert dock.start()
    qtbot.waitUntil(lambda: not dock.running, timeout=TEN_SECONDS)
    before = {layer.name: np.array(layer.data) for layer in dock._viewer.layers}
    fail_with(monkeypatch, RuntimeError("late"), after_tiles=True)
    dock.options.model.choose("mean")
    assert dock.start()
    qtbot.waitUntil(lambda: not dock.running, timeout=TEN_SECONDS)
    assert before.keys() == {layer.name for layer in dock._viewer.layers}
    for layer in dock._viewer.layers:
        np.testing.assert_array_equal(layer.data, before[layer.name])


def test_B4_a_runtime_error_is_shown_as_it_is_and_not_taken_for_memory(dock, qtbot, monkeypatch):
    fail_with(monkeypatch, RuntimeError("mat1 and mat2 shapes cannot be multiplied (3x4 and 5x6)"))
    assert dock.start()
    qtbot.waitUntil(lambda: not dock.running, timeout=ONE_SECOND)
    text = dock.panel.message.text()
    assert "mat1 and mat2 shapes cannot be multiplied (3x4 and 5x6)" in text
    assert "memory" not in text


@pytest.mark.parametrize("error", [MemoryError(), torch.OutOfMemoryError("CUDA out of memory.")], ids=["ram", "cuda"])
def test_B5_a_full_memory_is_told_with_what_to_do(dock, qtbot, monkeypatch, error):
    fail_with(monkeypatch, error)
    assert dock.start()
    qtbot.waitUntil(lambda: not dock.running, timeout=ONE_SECOND)
    assert "smaller tile" in dock.panel.message.text()


def test_B6_a_warning_in_the_worker_does_not_stop_the_run(dock, qtbot, monkeypatch):
    import warnings

    fuse = pipeline.fuse

    def warn(*args: Any, **options: Any) -> Any:
        warnings.warn("the lamp flickers", UserWarning, stacklevel=1)
        return fuse(*args, **options)

    monkeypatch.setattr(pipeline, "fuse", warn)
    shown = []
    notification_manager.notification_ready.connect(shown.append)
    try:
        assert dock.start()
        qtbot.waitUntil(lambda: not dock.running, timeout=TEN_SECONDS)
    finally:
        notification_manager.notification_ready.disconnect(shown.append)
    assert any("the lamp flickers" in notice.message for notice in shown)
    assert len(dock._viewer.layers) == 4


def test_B7_the_run_after_an_error_shows_progress(dock, qtbot, monkeypatch):
    with monkeypatch.context() as patch:
        fail_with(patch, RuntimeError("once"))
        assert dock.start()
        qtbot.waitUntil(lambda: not dock.running, timeout=ONE_SECOND)
    gate = Gate()
    monkeypatch.setattr(pipeline, "fuse", gate)
    try:
        assert dock.start()
        wait_for_first_tile(dock, gate, qtbot)
        assert dock.panel.bar.isVisibleTo(dock)
        assert len(activity._all_instances) == 1
    finally:
        gate.open.set()
    qtbot.waitUntil(lambda: not dock.running, timeout=TEN_SECONDS)
    assert len(activity._all_instances) == 0
    assert dock.panel.message.text().startswith("Done")


def test_B9_closing_the_dock_ends_the_run_and_leaves_nothing(dock, gate, qtbot):
    assert dock.start()
    wait_for_first_tile(dock, gate, qtbot)
    threading.Timer(0.3, gate.open.set).start()
    dock._viewer.window.remove_dock_widget(dock)
    assert not dock.running
    assert [layer.name for layer in dock._viewer.layers] == ["slope"]
    assert len(activity._all_instances) == 0
    assert not any(thread.name == "swinfusion" for thread in threading.enumerate())
    # The viewer goes on without the dock listening to it.
    dock._viewer.layers.clear()
    qtbot.wait(50)


CLOSED_DURING_A_RUN = """
    import threading, time
    import napari, numpy as np
    from qtpy.QtCore import QTimer
    import napari_swinfusion.pipeline as pipeline
    from napari_swinfusion.viewer.fuse_dock import FuseDock

    fuse = pipeline.fuse

    def slow(*args, on_tile, **options):
        def pause(tile):
            on_tile(tile)
            time.sleep(0.3)
        return fuse(*args, on_tile=pause, **options)

    pipeline.fuse = slow
    viewer = napari.Viewer(show=True)
    viewer.add_image(np.random.default_rng(0).integers(0, 60000, (4, 512, 512), "uint16"))
    dock = FuseDock(viewer)
    viewer.window.add_dock_widget(dock, name="Fuse focal stack")
    dock.options.model.choose("tenengrad")
    dock.options.tile.setValue(64)
    timer = QTimer()

    def close_when_running():
        if dock.running and len(viewer.layers) == 4:
            timer.stop()
            print("closing", time.time(), flush=True)
            CLOSE

    timer.timeout.connect(close_when_running)
    timer.start(50)
    assert dock.start()
    napari.run()
"""


WAYS_TO_CLOSE = {
    "script": "viewer.close()",
    "window": "viewer.window._qt_window.close()",
    "quit": "from napari.qt import get_qapp; get_qapp().closeAllWindows(); get_qapp().quit()",
}


@pytest.mark.parametrize("close", WAYS_TO_CLOSE.values(), ids=WAYS_TO_CLOSE.keys())
def test_B9_the_viewer_closed_during_a_run_ends_with_status_0(tmp_path, close):
    script = tmp_path / "close.py"
    script.write_text(textwrap.dedent(CLOSED_DURING_A_RUN).replace("CLOSE", close))
    environment = {**os.environ, "NAPARI_CONFIG": str(tmp_path / "settings.yaml"), "NO_COLOR": "1"}
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=120, env=environment, check=False
    )
    ended = time.time()
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    word, closed = done.stdout.split()[-2:]
    assert word == "closing"
    assert ended - float(closed) < 8.0


def test_B10_a_run_keeps_its_snapshot(dock, gate, qtbot, scene):
    expected = gate.fuse(scene.stack, model="tenengrad", tile=32)
    source = dock._viewer.layers["slope"]
    assert dock.start()
    wait_for_first_tile(dock, gate, qtbot)
    source.data = np.zeros_like(scene.stack.data)
    source.name = "something else"
    dock._viewer.layers.remove(source)
    dock.options.model.choose("mean")
    gate.open.set()
    qtbot.waitUntil(lambda: not dock.running, timeout=TEN_SECONDS)
    np.testing.assert_array_equal(dock._viewer.layers["slope [fused]"].data, expected.image)


def test_B10_results_deleted_during_the_run_do_not_stop_it(dock, gate, qtbot):
    assert dock.start()
    wait_for_first_tile(dock, gate, qtbot)
    dock._viewer.layers.remove("slope [fused]")
    gate.open.set()
    qtbot.waitUntil(lambda: not dock.running, timeout=TEN_SECONDS)
    assert len(dock._viewer.layers) == 4
    assert dock.panel.message.text().startswith("Done")


def test_B10_a_second_start_is_refused(dock, gate, qtbot):
    assert dock.start()
    wait_for_first_tile(dock, gate, qtbot)
    assert not dock.panel.run_button.isEnabled()
    assert not dock.start()
    assert not dock.start_preview()
    assert "running" in dock.panel.message.text()
    gate.open.set()
    qtbot.waitUntil(lambda: not dock.running, timeout=TEN_SECONDS)
    assert len(dock._viewer.layers) == 4


def test_B10_a_second_window_is_refused_too(dock, gate, qtbot, make_dock, scene):
    other = make_dock()
    other._viewer.add_image(scene.stack.data)
    assert dock.start()
    wait_for_first_tile(dock, gate, qtbot)
    assert not other.start()
    assert "running" in other.panel.message.text()
    gate.open.set()
    qtbot.waitUntil(lambda: not dock.running, timeout=TEN_SECONDS)
    assert other.start()
    qtbot.waitUntil(lambda: not other.running, timeout=TEN_SECONDS)


@pytest.mark.parametrize("where", ["dock", "activity"])
def test_B11_cancel_stops_within_one_tile_and_leaves_nothing(dock, gate, qtbot, where):
    assert dock.start()
    wait_for_first_tile(dock, gate, qtbot)
    if where == "dock":
        dock.panel.cancel_button.click()
    else:
        next(iter(activity._all_instances)).cancel()
    told = []
    dock._run.ended.connect(lambda outcome: told.append(time.monotonic()))
    began = time.monotonic()
    gate.open.set()
    qtbot.waitUntil(lambda: not dock.running, timeout=TEN_SECONDS)
    assert told[0] - began < 2.0
    assert "Cancelled" in dock.panel.message.text()
    assert [layer.name for layer in dock._viewer.layers] == ["slope"]
    assert dock.panel.run_button.isEnabled()


def test_B11_a_run_after_a_cancel_is_whole(dock, gate, qtbot):
    assert dock.start()
    wait_for_first_tile(dock, gate, qtbot)
    dock.cancel()
    gate.open.set()
    qtbot.waitUntil(lambda: not dock.running, timeout=TEN_SECONDS)
    assert dock.start()
    qtbot.waitUntil(lambda: not dock.running, timeout=TEN_SECONDS)
    assert len(dock._viewer.layers) == 4
