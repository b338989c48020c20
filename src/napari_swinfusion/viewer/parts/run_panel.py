"""Run, Preview and Cancel above the status of the run."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from napari_swinfusion.progress import Progress
from napari_swinfusion.viewer.parts.status import Status, Tone

_STAGES = {"prepare": "Measuring the planes", "decide": "Fusing"}


class RunPanel(QWidget):
    """Buttons, progress and message; it knows nothing of fusion."""

    run_clicked = Signal()
    preview_clicked = Signal()
    cancel_clicked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.run_button = QPushButton("Run")
        self.preview_button = QPushButton("Preview")
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.setToolTip("Stop at the next tile; nothing of this run stays.")
        self.run_button.setStyleSheet("font-weight: bold;")
        self.status = Status()
        self.bar, self.time_left, self.message = self.status.bar, self.status.time_left, self.status.message
        buttons = QHBoxLayout()
        for button, stretch in ((self.run_button, 2), (self.preview_button, 1), (self.cancel_button, 1)):
            buttons.addWidget(button, stretch)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(buttons)
        layout.addWidget(self.status)
        self.run_button.clicked.connect(self.run_clicked)
        self.preview_button.clicked.connect(self.preview_clicked)
        self.cancel_button.clicked.connect(self.cancel_clicked)
        self.set_running(False)

    def set_running(self, running: bool) -> None:
        """Show or hide what belongs to a run."""
        self.cancel_button.setEnabled(running)
        self.status.set_running(running)

    def set_ready(self, reason: str | None) -> None:
        """Switch Run and Preview on, or off with the `reason`."""
        for button, tooltip in (
            (self.run_button, "Fuse the whole stack; the results appear as layers."),
            (self.preview_button, "Fuse only what the canvas shows, to try the settings."),
        ):
            button.setEnabled(reason is None)
            button.setToolTip(tooltip if reason is None else reason)

    def show_progress(self, progress: Progress) -> None:
        """Move the bar and tell the time left."""
        stage = _STAGES.get(progress.stage, progress.stage.capitalize())
        self.status.show_share(progress.done, progress.total, stage, progress.seconds_left)

    def say(self, text: str, tone: Tone = "quiet") -> None:
        """Show `text` below the buttons."""
        self.status.say(text, tone)
