"""Run, Preview and Cancel, the bar with the time left, and one place for what the user should know."""

from __future__ import annotations

from typing import Literal

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from napari_swinfusion.progress import Progress

Tone = Literal["quiet", "good", "bad"]
_STAGES = {"prepare": "Measuring the planes", "decide": "Fusing"}
# Readable on napari's dark and light theme alike.
_COLORS: dict[Tone, str] = {"good": "#3fa45b", "bad": "#e0563f"}


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
        self.bar = QProgressBar()
        self.bar.setToolTip("How much of the run is done.")
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(8)
        self.time_left = QLabel()
        self.time_left.setToolTip("What is being done, and about how long it still takes.")
        self.message = QLabel()
        self.message.setWordWrap(True)
        self.message.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        self.run_button.setStyleSheet("font-weight: bold;")
        buttons = QHBoxLayout()
        for button, stretch in ((self.run_button, 2), (self.preview_button, 1), (self.cancel_button, 1)):
            buttons.addWidget(button, stretch)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(buttons)
        layout.addWidget(self.bar)
        layout.addWidget(self.time_left)
        layout.addWidget(self.message)
        self.run_button.clicked.connect(self.run_clicked)
        self.preview_button.clicked.connect(self.preview_clicked)
        self.cancel_button.clicked.connect(self.cancel_clicked)
        self.set_running(False)

    def set_running(self, running: bool) -> None:
        """Show or hide what belongs to a run."""
        self.cancel_button.setEnabled(running)
        self.bar.setVisible(running)
        self.time_left.setVisible(running)
        # Busy until the first report.
        self.bar.setRange(0, 0)
        self.time_left.setText("Starting")

    def set_ready(self, reason: str | None) -> None:
        """Switch Run and Preview on, or off with the `reason`."""
        for button, tooltip in (
            (self.run_button, "Fuse the whole stack; the results appear as three layers."),
            (self.preview_button, "Fuse only what the canvas shows, to try the settings."),
        ):
            button.setEnabled(reason is None)
            button.setToolTip(tooltip if reason is None else reason)

    def show_progress(self, progress: Progress) -> None:
        """Move the bar and tell the time left."""
        self.bar.setRange(0, max(progress.total, 1))
        self.bar.setValue(progress.done)
        left = progress.seconds_left
        stage = _STAGES.get(progress.stage, progress.stage.capitalize())
        self.time_left.setText(stage if left is None else f"{stage} · {spell_seconds(left)} left")

    def say(self, text: str, tone: Tone = "quiet") -> None:
        """Show `text` below the buttons."""
        self.message.setStyleSheet(f"color: {_COLORS[tone]};" if tone in _COLORS else "")
        self.message.setText(text)
        self.message.setToolTip(text)


def spell_seconds(seconds: float) -> str:
    """Return a duration as people say it."""
    if seconds < 1:
        return "less than 1 s"
    if seconds < 90:
        return f"about {round(seconds)} s"
    if seconds < 5400:
        return f"about {round(seconds / 60)} min"
    return f"about {seconds / 3600:.1f} h"
