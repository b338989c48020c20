"""One training as the window sees it: a timer that looks at its process and tells what is new."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import QObject, QTimer, Signal

from napari_swinfusion.training.events import LAST_EVENTS, Wish, ask
from napari_swinfusion.viewer.training_process import Event, TrainingProcess

_LOOK_EVERY_MS = 250


class TrainingRun(QObject):
    """A training that runs, from its start or from when it was found to its end.

    `begun` says whether the process has read its data and listens to wishes.
    `restarted` carries all events so far where the story begins or a resumed run took up an earlier step, `told` each
    new event, `ended` the last event; a process that ended without one is told as an `error`.
    """

    restarted = Signal(object)
    told = Signal(object)
    ended = Signal(object)

    def __init__(self, folder: Path, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.folder = folder
        self.events: list[Event] = []
        self.begun = False
        self._process = TrainingProcess(folder)
        self._timer = QTimer(self)
        self._timer.setInterval(_LOOK_EVERY_MS)
        self._timer.timeout.connect(self._look)

    def start(self, threads: int) -> None:
        """Start the process, or start it again where it stopped."""
        self._take(self._process.new_events())
        self.begun = False
        self._process.start(threads)
        self._timer.start()

    def attach(self) -> None:
        """Watch a process that runs already."""
        self._take(self._process.new_events())
        self._timer.start()

    def ask(self, wish: Wish) -> None:
        """Ask the training for something; it answers by an event."""
        ask(self.folder, wish)

    def end(self) -> None:
        """Let the process write a checkpoint and end."""
        self._process.end(told_start=self.begun)

    def leave(self) -> None:
        """Stop watching; the process goes on."""
        self._timer.stop()

    def _look(self) -> None:
        # Asked before reading, so that what it said last is not missed.
        alive = self._process.is_alive()
        new = self._process.new_events()
        self._take(new)
        if new and new[-1]["event"] in LAST_EVENTS:
            self._end(new[-1])
        elif not alive:
            self._end({"event": "error", "text": self._process.last_words(), "kind": "ProcessDied"})

    def _take(self, new: list[Event]) -> None:
        again = False
        for event in new:
            if event["event"] == "started":
                # As in `read_events`: what a resumed run does again did not happen.
                self.events = [earlier for earlier in self.events if earlier.get("step", 0) <= event["step"]]
                again = self.begun = True
            self.events.append(event)
        if again:
            self.restarted.emit(list(self.events))
        else:
            for event in new:
                self.told.emit(event)

    def _end(self, last: Event) -> None:
        self._timer.stop()
        self.ended.emit(last)
