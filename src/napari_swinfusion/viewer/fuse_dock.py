"""The dock "Fuse focal stack": it resolves the user's choices into a request and follows its run."""

from __future__ import annotations

from dataclasses import replace

import napari
from napari.utils.notifications import show_error
from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QWidget

from napari_swinfusion.errors import InputError
from napari_swinfusion.progress import Progress
from napari_swinfusion.viewer.layers import view_of, visible_region
from napari_swinfusion.viewer.parts.dock_layout import column, fill_dock
from napari_swinfusion.viewer.parts.options_panel import OptionsPanel
from napari_swinfusion.viewer.parts.run_panel import RunPanel
from napari_swinfusion.viewer.parts.source_panel import SourcePanel
from napari_swinfusion.viewer.preferences import load_preferences
from napari_swinfusion.viewer.request import FuseRequest, resolve
from napari_swinfusion.viewer.run import FuseRun
from napari_swinfusion.viewer.worker import Failed, Finished, Outcome, make_threads_wait


class FuseDock(QWidget):
    """Choose layers and options, run, watch, cancel.

    The results are layers bound to their source: "<name> [fused]", "<name> [decision]" (plane index + 1), "<name>
    [confidence]" and, if asked for, "<name> [depth]". A new run on the same source replaces the data of the earlier
    result layers where their shape still matches and they are still there; otherwise it adds new ones.
    """

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        make_threads_wait()
        from napari_swinfusion.decide.registry import list_models

        self._viewer = napari_viewer
        self._run: FuseRun | None = None
        preferences = load_preferences()
        self._threads = preferences.threads
        self.source = SourcePanel(napari_viewer)
        self.options = OptionsPanel(list_models(), preferences)
        self.panel = RunPanel()
        fill_dock(self, column([self.source, self.options]), self.panel)
        self.source.changed.connect(self._check)
        self.options.changed.connect(self._check)
        self.panel.run_clicked.connect(self.start)
        self.panel.preview_clicked.connect(self.start_preview)
        self.panel.cancel_clicked.connect(self.cancel)
        self._check()

    def start(self) -> bool:
        """Fuse the chosen layers; return whether a run began."""
        return self._start(preview=False)

    def start_preview(self) -> bool:
        """Fuse what the canvas shows of the chosen layers; return whether a run began."""
        return self._start(preview=True)

    def cancel(self) -> None:
        """Stop the run, if there is one, before its next tile."""
        if self._run is not None:
            self._run.cancel()
            self.panel.cancel_button.setEnabled(False)
            self.panel.time_left.setText("Stopping at the next tile")

    @property
    def running(self) -> bool:
        """Whether a run of this dock is going on."""
        return self._run is not None

    def offer_models(self) -> None:
        """Offer what there is to choose from now, such as a model that was just trained."""
        from napari_swinfusion.decide.registry import list_models

        self.options.offer_models(list_models())

    def event(self, event: QEvent) -> bool:
        """End the run when napari closes the dock, which it does by taking the widget out without closing it."""
        if event.type() == QEvent.Type.ParentChange and self.parent() is None:
            self._leave(keep_viewer=True)
        return super().event(event)

    def closeEvent(self, event: QEvent) -> None:  # noqa: N802
        """End the run with the dock."""
        self._leave(keep_viewer=True)
        super().closeEvent(event)

    def _resolve(self) -> FuseRequest:
        views = [view_of(layer) for layer in self.source.layers()]
        request = resolve(views, self.options.options(), axes=self.options.axes.text(), threads=self._threads)
        return replace(request, show_depth=self.options.depth.isChecked())

    def _check(self) -> None:
        if self.running:
            return
        try:
            request = self._resolve()
        except InputError as error:
            self.source.facts.clear()
            self._refuse(str(error))
            return
        sizes = dict(zip(request.axes, request.shape, strict=True))
        self.options.offer_channels(sizes.get("C", 1))
        self.source.facts.setText(request.summary())
        self.panel.set_ready(None)
        self.panel.say("")

    def _refuse(self, reason: str) -> None:
        self.panel.set_ready(reason)
        self.panel.say(reason)

    def _start(self, *, preview: bool) -> bool:
        if FuseRun.busy():
            self.panel.say("A fusion is running; wait for it, or cancel it.", "bad")
            return False
        try:
            request = self._resolve()
        except InputError as error:
            self._refuse(str(error))
            return False
        if preview:
            layer = self.source.layers()[0]
            axes = request.axes[-len(request.views[0].data.shape) :]
            request = replace(request, region=visible_region(layer, axes, self._viewer.dims.point))
        self.panel.set_ready("A fusion is running.")
        self.panel.set_running(True)
        self.panel.say("")
        self._run = FuseRun(self._viewer, request)
        self._run.progressed.connect(self._show_progress)
        self._run.ended.connect(self._finish)
        # The window may go without a close event for this widget; the run must not outlive it.
        self.destroyed.connect(self._run.abandon_with_window)
        self._run.start()
        return True

    def _show_progress(self, progress: Progress) -> None:
        self.panel.show_progress(progress)

    def _finish(self, outcome: Outcome) -> None:
        run, self._run = self._run, None
        if run is not None:
            self.destroyed.disconnect(run.abandon_with_window)
        self.panel.set_running(False)
        self._check()
        if isinstance(outcome, Finished):
            provenance = outcome.result.provenance
            done = f"Done in {provenance['seconds']:.1f} s on {provenance['device']}."
            self.panel.say(" ".join([done, *outcome.result.notices]), "good")
        elif isinstance(outcome, Failed):
            self.panel.say(outcome.sentence, "bad")
            show_error(outcome.sentence)
        else:
            self.panel.say("Cancelled; nothing was kept.")

    def _leave(self, *, keep_viewer: bool) -> None:
        run, self._run = self._run, None
        if run is not None:
            self.destroyed.disconnect(run.abandon_with_window)
            run.abandon(keep_viewer=keep_viewer)
            self.panel.set_running(False)
        self.source.detach()
