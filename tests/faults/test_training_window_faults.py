"""What goes wrong around a training that the viewer watches (rows D of the fault list)."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import psutil
import pytest

pytest.importorskip("napari", reason="the viewer's tests need napari and Qt: pip install napari-swinfusion[all]")

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication, QMessageBox

from napari_swinfusion.training.events import read_events
from napari_swinfusion.viewer.parts.closing import ask_how_to_close
from napari_swinfusion.viewer.training_process import TrainingProcess, list_runs

MINUTE = 60_000


@pytest.fixture
def dock(make_train_dock: Any, scene: Any) -> Any:
    """Return a dock, ready to train for long on a stack of five planes."""
    dock = make_train_dock(show=True)
    dock._viewer.add_image(scene.stack.data.copy(), name="slope")
    dock.options.name.setText("slope")
    dock.options.amount.setValue(1000)
    return dock


def start(dock: Any, qtbot: Any) -> psutil.Process:
    assert dock.start(), dock.panel.status.message.text()
    wait_for(dock, qtbot, lambda: dock.panel.stop_button.isEnabled() and dock.view.loss.points("training"))
    return child_of(dock._run.folder)


def wait_for(dock: Any, qtbot: Any, condition: Any) -> None:
    def told() -> None:
        assert condition(), dock.panel.status.message.text()

    qtbot.waitUntil(told, timeout=MINUTE)


def child_of(folder: Path) -> psutil.Process:
    return psutil.Process(json.loads((folder / "process.json").read_text())["pid"])


def test_D14_a_training_outlives_its_window_and_is_found_again(dock, make_train_dock, qtbot, own_models):
    child = start(dock, qtbot)
    window = dock._viewer.window._qt_window
    asked = []

    def answer(text: str) -> None:
        (box,) = [widget for widget in QApplication.topLevelWidgets() if isinstance(widget, QMessageBox)]
        asked.append(box.text())
        next(button for button in box.buttons() if button.text() == text).click()

    dock.ask = ask_how_to_close
    QTimer.singleShot(200, lambda: answer("Do not close"))
    window.close()
    assert dock.running
    QTimer.singleShot(200, lambda: answer("Go on in the background"))
    dock._viewer.window.remove_dock_widget(dock)
    assert asked == ["'slope' is still training."] * 2
    assert not dock.running
    assert child.is_running()

    again = make_train_dock()
    assert again.running
    assert "Found running" in again.panel.status.message.text()
    assert again.view.loss.points("training")
    again.stop()
    wait_for(again, qtbot, lambda: not again.running)
    assert read_events(own_models / "slope.training")[-1]["event"] == "finished"
    assert "held-out" in again.panel.status.message.text()


def test_D14_a_training_that_is_stopped_by_closing_can_be_resumed(dock, make_train_dock, qtbot, own_models):
    child = start(dock, qtbot)
    dock._viewer.window.remove_dock_widget(dock)
    child.wait(30)
    (run,) = list_runs(own_models)
    assert (run.state, run.step > 0) == ("unfinished", True)
    again = make_train_dock()
    assert not again.running
    again.trainings.choose(run.path)
    assert again.trainings.currentText() == f"slope · stopped at {run.step} of {run.steps}"
    assert again.panel.start_button.text() == "Resume"
    assert again.start()
    wait_for(again, qtbot, lambda: again.panel.stop_button.isEnabled())
    assert read_events(run.path)[-1]["step"] >= run.step
    again.stop()
    wait_for(again, qtbot, lambda: not again.running)
    assert again._result is not None


@pytest.mark.skipif(os.name == "nt", reason="nice values")
def test_a_training_lets_the_window_go_first(dock, qtbot):
    assert start(dock, qtbot).nice() > psutil.Process().nice()
    dock.stop()
    wait_for(dock, qtbot, lambda: not dock.running)


def test_D8_a_killed_training_is_told_and_goes_on_from_its_checkpoint(dock, qtbot):
    child = start(dock, qtbot)
    dock.pause()
    wait_for(dock, qtbot, lambda: dock.panel.pause_button.text() == "Resume")
    paused = read_events(dock._run.folder)[-1]
    assert paused["event"] == "paused"
    child.send_signal(signal.SIGKILL)
    wait_for(dock, qtbot, lambda: not dock.running)
    told = dock.panel.status.message.text()
    assert "killed (SIGKILL)" in told
    assert "Resume goes on from its last checkpoint" in told
    assert dock.panel.start_button.text() == "Resume"
    assert dock.start()
    wait_for(dock, qtbot, lambda: dock.panel.stop_button.isEnabled())
    resumed = [event for event in read_events(dock._run.folder) if event["event"] == "started"][-1]
    assert resumed["step"] == paused["step"]
    dock.stop()
    wait_for(dock, qtbot, lambda: not dock.running)


def test_D14_what_the_process_refuses_is_told_in_its_words(dock, qtbot):
    dock._viewer.layers["slope"].data[:] = 7
    assert dock.start()
    wait_for(dock, qtbot, lambda: not dock.running)
    assert "All planes of 'slope' are constant" in dock.panel.status.message.text()
    # The folder of a failed start is no obstacle to the next.
    dock.trainings.choose(None)
    assert dock.panel.start_button.isEnabled()


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_D14_the_last_words_of_a_process_are_told(tmp_path, monkeypatch):
    process = TrainingProcess(tmp_path)
    monkeypatch.setattr("sys.executable", "/bin/ls")
    process.start(threads=1)
    process._child.wait(10)
    assert "exit status 2" in process.last_words()
    assert "Its last words: " in process.last_words()
