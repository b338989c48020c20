"""One run as the viewer sees it: a worker, the layers it fills and the bar in the activity dock."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from typing import Any, ClassVar

from napari.components import ViewerModel
from napari.utils.notifications import notification_manager
from qtpy.QtCore import QObject, QTimer, Signal

from napari_swinfusion.progress import Progress
from napari_swinfusion.viewer.parts.activity import ActivityBar
from napari_swinfusion.viewer.request import FuseRequest
from napari_swinfusion.viewer.results import Results, results_for
from napari_swinfusion.viewer.worker import Failed, Finished, Opened, Outcome, make_worker

PATIENCE_SECONDS = 5.0
_OVER = object()

_log = logging.getLogger(__name__)


class FuseRun(QObject):
    """A run from its start to its outcome; at most one in a process, since two would halve memory and cores.

    `progressed` carries a `Progress` with an estimate of the seconds left, `ended` an outcome of the worker. Nothing
    is shown or told any more once `abandon` was called.
    """

    progressed = Signal(object)
    ended = Signal(object)

    _current: ClassVar[FuseRun | None] = None

    def __init__(self, viewer: ViewerModel, request: FuseRequest) -> None:
        super().__init__()
        self._viewer = viewer
        self._request = request
        self._results: Results | None = None
        self._bar: ActivityBar | None = None
        self._worker = make_worker(request)
        self._worker.yielded.connect(self._receive)
        self._worker.warned.connect(self._relay_warning)
        self._steps: Iterator[None] = iter(())
        self._next_turn = QTimer(self)
        self._next_turn.setSingleShot(True)
        self._next_turn.timeout.connect(self._step)
        self._began = time.monotonic()

    @classmethod
    def busy(cls) -> bool:
        """Return whether a run is going on in any window of this process."""
        return FuseRun._current is not None

    def start(self) -> None:
        """Begin; call once, and only while `busy` is False."""
        FuseRun._current = self
        self._began = time.monotonic()
        self._bar = ActivityBar("Fusing", self.cancel)
        self._worker.start()

    def cancel(self) -> None:
        """Stop before the next tile; `ended` follows."""
        self._worker.line.token.cancel()

    def abandon(self, *, keep_viewer: bool) -> None:
        """Stop, wait a few seconds and show nothing more; for when the dock or the window goes away.

        `keep_viewer` says that the viewer lives on, so that what the run has shown must be taken back.
        """
        self._worker.yielded.disconnect(self._receive)
        self._worker.warned.disconnect(self._relay_warning)
        self.cancel()
        self._worker.line.ended.wait(PATIENCE_SECONDS)
        if keep_viewer:
            self._discard()
            self._close_bar()
        self._release()

    def abandon_with_window(self) -> None:
        """Abandon the run because the window is being destroyed."""
        self.abandon(keep_viewer=False)

    def _receive(self, batch: list[Any]) -> None:
        # An outcome may come before the tiles are all shown; it shows them itself.
        self._next_turn.stop()
        self._steps = self._show(batch)
        self._step()

    def _step(self) -> None:
        if FuseRun._current is self and next(self._steps, _OVER) is not _OVER:
            self._next_turn.start()

    def _show(self, batch: list[Any]) -> Iterator[None]:
        tiles = []
        progress: Progress | None = None
        outcome: Outcome | None = None
        for event in batch:
            if isinstance(event, Opened):
                self._results = results_for(self._viewer, self._request, event.stack)
            elif isinstance(event, Progress):
                progress = event
            elif isinstance(event, Outcome):
                outcome = event
            else:
                tiles.append(event)
        if outcome is not None:
            yield from self._end(outcome)
        elif not self._worker.line.token.cancelled:
            if self._results is not None:
                yield from self._results.show_tiles(tiles)
            if progress is not None:
                self._tell(progress)
        self._worker.line.shown.set()

    def _tell(self, progress: Progress) -> None:
        left = progress.seconds_left
        if left is None:
            left = estimate_left(time.monotonic() - self._began, progress.done, progress.total)
        known = Progress(stage=progress.stage, done=progress.done, total=progress.total, seconds_left=left)
        self.progressed.emit(known)
        # Last, because the activity dock handles waiting Qt events while it redraws: this run may end inside.
        if self._bar is not None and progress.total > 0:
            self._bar.show(progress.done / progress.total)

    def _end(self, outcome: Outcome) -> Iterator[None]:
        try:
            if isinstance(outcome, Finished) and self._results is not None:
                yield from self._results.finish(outcome.result)
        except Exception as error:  # a result that napari cannot show must not leave the dock busy
            _log.error("The result of '%s' could not be shown.", self._request.name, exc_info=error)
            outcome = Failed(f"The result could not be shown: {error}")
        self._close_bar()
        self._release()
        self.ended.emit(outcome)
        # Last, because napari collects all garbage for each layer that goes, and the user should not wait for it.
        if not isinstance(outcome, Finished):
            self._discard()

    def _relay_warning(self, arguments: tuple[Any, ...]) -> None:
        # napari means to do this itself, but its worker classes do not connect it under PyQt6.
        notification_manager.receive_warning(*arguments)

    def _discard(self) -> None:
        if self._results is not None:
            self._results.discard()

    def _close_bar(self) -> None:
        bar, self._bar = self._bar, None
        if bar is not None:
            bar.close()

    def _release(self) -> None:
        if FuseRun._current is self:
            FuseRun._current = None


def estimate_left(seconds: float, done: int, total: int) -> float | None:
    """Return the seconds that the rest takes at the pace so far; None before there is a pace."""
    return seconds / done * (total - done) if done > 0 and seconds > 0.5 else None
