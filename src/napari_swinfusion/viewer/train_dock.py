"""The dock "Train fusion network": it resolves the user's choices into a training and follows its process."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import napari
from napari.utils.notifications import show_error
from qtpy.QtCore import QEvent, QSignalBlocker
from qtpy.QtWidgets import QFileDialog, QInputDialog, QStackedWidget, QWidget

from napari_swinfusion.errors import InputError
from napari_swinfusion.training.events import read_events
from napari_swinfusion.viewer.background import Background
from napari_swinfusion.viewer.data_check import DataCheck, check_request
from napari_swinfusion.viewer.fuse_dock import FuseDock
from napari_swinfusion.viewer.layers import view_of
from napari_swinfusion.viewer.parts.choice import Choice
from napari_swinfusion.viewer.parts.closing import Answer, CloseGuard, ask_how_to_close
from napari_swinfusion.viewer.parts.data_report import DataReportPanel
from napari_swinfusion.viewer.parts.dock_layout import column, fill_dock
from napari_swinfusion.viewer.parts.training_data import TrainingDataPanel
from napari_swinfusion.viewer.parts.training_options import TrainingOptionsPanel
from napari_swinfusion.viewer.parts.training_panel import TrainingPanel
from napari_swinfusion.viewer.parts.training_view import TrainingView
from napari_swinfusion.viewer.preferences import load_preferences
from napari_swinfusion.viewer.request import FuseRequest, Options, resolve
from napari_swinfusion.viewer.training_layers import PreviewLayers
from napari_swinfusion.viewer.training_process import Event, RunFolder, list_runs, look
from napari_swinfusion.viewer.training_request import StackChoice, TrainingRequest, resolve_training
from napari_swinfusion.viewer.training_run import TrainingRun
from napari_swinfusion.viewer.worker import Failed, make_threads_wait, threads_for

_NEW = "New training"


class TrainDock(QWidget):
    """Choose data, base, recipe and time; train in a process of its own; watch, pause, stop, find again.

    `ask` is how the user is asked what becomes of a running training when the dock or the window closes.
    """

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        make_threads_wait()
        from napari_swinfusion.weights.catalogue import user_folder

        self._viewer = napari_viewer
        self._models = user_folder()
        self._run: TrainingRun | None = None
        self._shown: Path | None = None
        self._result: Event | None = None
        self._previews: PreviewLayers | None = None
        self._paused = False
        self._guard: CloseGuard | None = None
        preferences = load_preferences()
        self._threads = preferences.threads
        self.ask: Callable[..., Answer] = ask_how_to_close
        self.trainings = Choice([(_NEW, None)], "A new training, or one that you began earlier.")
        self.source = TrainingDataPanel(napari_viewer)
        self.options = TrainingOptionsPanel(_networks(), preferences.device)
        self.report = DataReportPanel()
        self.view = TrainingView()
        self.panel = TrainingPanel()
        self._pages = QStackedWidget()
        self._pages.addWidget(column([self.source, self.options, self.report]))
        self._pages.addWidget(column([self.view]))
        fill_dock(self, self._pages, self.panel, head=self.trainings)
        self._checking, self._writing, self._exporting = Background(self), Background(self), Background(self)
        self._connect()
        self._find_trainings()

    @property
    def running(self) -> bool:
        """Whether a training is being written, runs or is paused under the eyes of this dock."""
        return self._run is not None or self._writing.busy

    def start(self) -> bool:
        """Start a new training, or resume the one that is shown; return whether it began."""
        if self.running:
            return False
        if self._shown is not None:
            self._follow(self._shown, resume=True)
            return True
        try:
            request = self._resolve()
        except InputError as error:
            self._refuse(str(error))
            return False
        self.trainings.setEnabled(False)
        self.panel.set_ready("A training is starting.")
        self.panel.set_running(True, "Writing the images")
        self.panel.status.say("")
        self._writing.run(request.write)
        return True

    def pause(self) -> None:
        """Let the training wait, or go on where it waits."""
        if self._run is not None:
            self._run.ask("resume" if self._paused else "pause")
            self.panel.pause_button.setEnabled(False)

    def stop(self) -> None:
        """End the training now; what it learned is judged and kept."""
        if self._run is not None:
            self._run.ask("stop")
            self.panel.set_listening(False)
            self.panel.status.time_left.setText("Stopping after this step")

    def check(self) -> None:
        """Show what would be used, with what stands against it."""
        with suppress(InputError):
            request = self._resolve()
            self.report.button.setEnabled(False)
            self.report.button.setText("Looking at each plane …")
            self._checking.run(partial(check_request, request))

    def use(self) -> None:
        """Choose the new model in the Fuse dock, which is opened where it is not."""
        if self._result is None:
            return
        docks = self._fuse_docks()
        if not docks:
            dock = FuseDock(self._viewer)
            self._viewer.window.add_dock_widget(dock, name="Fuse focal stack", tabify=True)
            docks = [dock]
        for dock in docks:
            dock.offer_models()
            dock.options.model.choose(Path(self._result["path"]).stem)
        docks[0].parentWidget().raise_()

    def event(self, event: QEvent) -> bool:
        """Ask about a running training when napari closes the dock, which it does by taking the widget out."""
        if event.type() == QEvent.Type.ParentChange and self.parent() is None:
            self._may_close(may_stay=False)
            self.source.detach()
        if event.type() == QEvent.Type.Show and self._guard is None:
            self._guard = CloseGuard(self._window(), partial(self._may_close, may_stay=True), self)
        return super().event(event)

    def _connect(self) -> None:
        self.trainings.currentIndexChanged.connect(self._show_training)
        self.source.changed.connect(self._change)
        self.options.changed.connect(self._change)
        self.report.button.clicked.connect(self.check)
        self.panel.start_clicked.connect(self.start)
        self.panel.pause_clicked.connect(self.pause)
        self.panel.stop_clicked.connect(self.stop)
        self.view.use_clicked.connect(self.use)
        self.view.export_clicked.connect(self._export)
        self._checking.done.connect(self._show_check)
        self._writing.done.connect(self._launch)
        self._exporting.done.connect(self._tell_export)

    def _resolve(self) -> TrainingRequest:
        choices = [
            StackChoice(
                stack=view_of(stack),
                reference=None if reference is None else view_of(reference),
                painted=None if painted is None else view_of(painted),
            )
            for stack, reference, painted in self.source.stacks()
        ]
        return resolve_training(choices, self.options.options(), folder=self.source.folder_path())

    def _change(self) -> None:
        self.report.clear()
        self._check()

    def _check(self) -> None:
        if self.running:
            return
        if self._shown is not None:
            unfinished = look(self._shown).state == "unfinished"
            self.panel.set_ready(None if unfinished else f"It is over; choose '{_NEW}' above.", resume=unfinished)
            return
        try:
            request = self._resolve()
        except InputError as error:
            self.source.facts.clear()
            self._refuse(str(error))
            return
        self.source.facts.setText(request.summary())
        self._set_checkable(None)
        self.panel.set_ready(None)
        self.panel.status.say("")

    def _refuse(self, reason: str) -> None:
        self.panel.set_ready(reason)
        self.panel.status.say(reason)
        self._set_checkable(reason)

    def _set_checkable(self, reason: str | None) -> None:
        self.report.button.setEnabled(reason is None and not self._checking.busy)
        self.report.button.setToolTip(reason or "Look at every plane, and show what will be used and how.")

    def _show_check(self, outcome: DataCheck | Failed) -> None:
        self.report.button.setText("Check data")
        self.report.button.setEnabled(True)
        if isinstance(outcome, Failed):
            outcome = DataCheck(lines=(), problems=(outcome.sentence,), notices=())
        self.report.show_check(outcome)

    def _find_trainings(self) -> None:
        runs = list_runs(self._models)
        self._offer_trainings(runs, None)
        alive = [run.path for run in runs if run.state == "running"]
        if alive:
            self._offer_trainings(runs, alive[0])
        self._show_training()

    def _offer_trainings(self, runs: list[RunFolder], shown: Path | None) -> None:
        with QSignalBlocker(self.trainings):
            self.trainings.offer([(_NEW, None), *((run.spelled(), run.path) for run in runs)])
            self.trainings.choose(shown)

    def _show_training(self) -> None:
        folder = self.trainings.currentData()
        self._shown = folder
        self._pages.setCurrentIndex(0 if folder is None else 1)
        self.panel.status.say("")
        if folder is not None and look(folder).state == "running":
            self._follow(folder, resume=False)
            self.panel.status.say("Found running, and watched again.")
            return
        self.view.clear()
        if folder is not None:
            events = read_events(folder)
            self.view.show_events(events)
            self._result = next((event for event in events if event["event"] == "finished"), None)
        self._check()
        if folder is not None and self._result is not None:
            self._tell_verdict(self._result)

    def _launch(self, outcome: Path | Failed) -> None:
        if isinstance(outcome, Failed):
            self.panel.set_running(False)
            self.trainings.setEnabled(True)
            self._check()
            self._fail(outcome.sentence)
        else:
            self._follow(outcome, resume=True)

    def _follow(self, folder: Path, *, resume: bool) -> None:
        run = self._run = TrainingRun(folder, self)
        self._shown, self._result, self._paused = folder, None, False
        self._previews = PreviewLayers(self._viewer, folder.name, self._sources())
        run.restarted.connect(self._show_story)
        run.told.connect(self._show_event)
        run.ended.connect(self._finish)
        self.view.clear()
        self._pages.setCurrentIndex(1)
        self.trainings.setEnabled(False)
        self.panel.set_ready("A training is running.")
        self.panel.set_running(True)
        if resume:
            run.start(threads_for(self._threads))
            # What an earlier process told is history; the new one does not listen yet.
            self._paused = False
            self.panel.set_running(True, "Reading the images")
        else:
            run.attach()
        self._offer_trainings(list_runs(self._models), folder)
        self.panel.status.say("")

    def _sources(self) -> dict[str, FuseRequest]:
        found = {}
        for stack, _, _ in self.source.stacks():
            with suppress(InputError):
                found[stack.name] = resolve([view_of(stack)], Options())
        return found

    def _show_story(self, events: list[Event]) -> None:
        self.view.clear()
        self.view.show_events(events)
        for event in events:
            self._show_state(event)
        previews = [event for event in events if event["event"] == "preview"]
        if previews and self._previews is not None:
            self._previews.show(previews[-1])

    def _show_event(self, event: Event) -> None:
        self.view.show_events([event])
        self._show_state(event)
        if event["event"] == "preview" and self._previews is not None:
            self._previews.show(event)

    def _show_state(self, event: Event) -> None:
        kind, panel = event["event"], self.panel
        if kind == "progress":
            panel.status.show_share(event["step"], event["steps"], f"Epoch {event['epoch']:.1f}", event["seconds_left"])
        elif kind in ("started", "paused", "resumed"):
            self._paused = kind == "paused"
            panel.set_listening(True, paused=self._paused)
            panel.status.time_left.setText(f"Paused at step {event['step']}" if self._paused else "Training")
        elif kind == "judging":
            panel.set_listening(False)
            panel.status.time_left.setText("Comparing with the base on held-out images")
        elif kind == "notice":
            panel.status.say(event["text"])

    def _finish(self, last: Event) -> None:
        self._run = None
        self.trainings.setEnabled(True)
        self.panel.set_running(False)
        self._offer_trainings(list_runs(self._models), self._shown)
        self._check()
        if last["event"] == "finished":
            self._result = last
            self.options.offer_bases(_networks())
            for dock in self._fuse_docks():
                dock.offer_models()
            self._tell_verdict(last)
        elif last["event"] == "suspended":
            self.panel.status.say(f"Stopped at step {last['step']}; Resume goes on from there.")
        else:
            self._fail(last["text"])

    def _tell_verdict(self, last: Event) -> None:
        self.panel.status.say(last["reason"], "good" if last["accepted"] else "bad")

    def _fail(self, sentence: str) -> None:
        self.panel.status.say(sentence, "bad")
        show_error(sentence)

    def _fuse_docks(self) -> list[FuseDock]:
        return self._window().findChildren(FuseDock)

    def _window(self) -> QWidget:
        widget: QWidget = self
        while (parent := widget.parentWidget()) is not None:
            widget = parent
        return widget

    def _export(self) -> None:
        if self._result is None or self._exporting.busy:
            return
        name = Path(self._result["path"]).stem
        kinds = "Copy of the model (*.safetensors);;Package for bioimage.io (*.zip)"
        path, _ = QFileDialog.getSaveFileName(self, "Export the model", f"{name}.safetensors", kinds)
        if not path:
            return
        authors = []
        if path.endswith(".zip"):
            author, told = QInputDialog.getText(self, "Author", "Your name, as author of the package:")
            authors = [author] if told and author.strip() else []
        self.export(Path(path), authors)

    def export(self, path: Path, authors: list[str]) -> None:
        """Write the model of the training shown to `path`; what became of it is told below the buttons."""
        from napari_swinfusion.weights.export import export_model

        if self._result is not None:
            self._exporting.run(partial(export_model, self._result["path"], path, authors=authors, overwrite=True))

    def _tell_export(self, outcome: Path | Failed) -> None:
        if isinstance(outcome, Failed):
            self._fail(outcome.sentence)
        else:
            self.panel.status.say(f"Exported to {outcome}.", "good")

    def _may_close(self, *, may_stay: bool) -> bool:
        run = self._run
        if run is None:
            return True
        answer = self.ask(self._window(), run.folder.stem, may_stay=may_stay)
        if answer == "stay":
            return False
        if answer == "stop":
            run.end()
        run.leave()
        self._run = None
        return True


def _networks() -> list[Any]:
    from napari_swinfusion.decide.registry import list_models

    return [info for info in list_models() if info.sha256 is not None]
