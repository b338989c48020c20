"""Start, Pause, Stop and keep above the status of the training."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from napari_swinfusion.viewer.parts.status import Status

_NOT_RUNNING = "No training is running here."


class TrainingPanel(QWidget):
    """Buttons, progress and message; it knows nothing of training."""

    start_clicked = Signal()
    pause_clicked = Signal()
    stop_clicked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.start_button = QPushButton("Start")
        self.start_button.setStyleSheet("font-weight: bold;")
        self.pause_button = QPushButton("Pause")
        self.stop_button = QPushButton("Stop and keep")
        self.status = Status()
        buttons = QHBoxLayout()
        for button, stretch in ((self.start_button, 3), (self.pause_button, 3), (self.stop_button, 4)):
            buttons.addWidget(button, stretch)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(buttons)
        layout.addWidget(self.status)
        self.start_button.clicked.connect(self.start_clicked)
        self.pause_button.clicked.connect(self.pause_clicked)
        self.stop_button.clicked.connect(self.stop_clicked)
        self.set_ready(None)
        self.set_running(False)

    def set_ready(self, reason: str | None, *, resume: bool = False) -> None:
        """Switch Start on, or off with the `reason`; an unfinished training is resumed by the same button."""
        self.start_button.setText("Resume" if resume else "Start")
        ready = "Go on from the last checkpoint." if resume else "Train in a process of its own; napari stays usable."
        self.start_button.setEnabled(reason is None)
        self.start_button.setToolTip(ready if reason is None else reason)

    def set_running(self, running: bool, doing: str = "Starting") -> None:
        """Show or hide what belongs to a training; it listens only once `set_listening` was called."""
        self.status.set_running(running, doing)
        self.set_listening(False)

    def set_listening(self, listening: bool, *, paused: bool = False) -> None:
        """Switch Pause and Stop."""
        self.pause_button.setText("Resume" if paused else "Pause")
        for button, tooltip in (
            (
                self.pause_button,
                "Go on." if paused else "Write a checkpoint and wait, without computing.",
            ),
            (self.stop_button, "End now, compare with the base on held-out images, and keep what was learned."),
        ):
            button.setEnabled(listening)
            button.setToolTip(tooltip if listening else _NOT_RUNNING)
