"""A bar, what is being done and for how long still, and one place for what the user should know."""

from __future__ import annotations

from typing import Literal

from qtpy.QtWidgets import QLabel, QProgressBar, QSizePolicy, QVBoxLayout, QWidget

Tone = Literal["quiet", "good", "bad"]
# Readable on napari's dark and light theme alike.
COLORS: dict[Tone, str] = {"good": "#3fa45b", "bad": "#e0563f"}


class Status(QWidget):
    """Progress and message; it knows nothing of what is run."""

    def __init__(self) -> None:
        super().__init__()
        self.bar = QProgressBar()
        self.bar.setToolTip("How much of the run is done.")
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(8)
        self.time_left = QLabel()
        self.time_left.setToolTip("What is being done, and about how long it still takes.")
        self.message = QLabel()
        self.message.setWordWrap(True)
        self.message.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (self.bar, self.time_left, self.message):
            layout.addWidget(widget)

    def set_running(self, running: bool, doing: str = "Starting") -> None:
        """Show or hide what belongs to a run; the bar is empty until the first `show_share`."""
        self.bar.setVisible(running)
        self.time_left.setVisible(running)
        # No busy bar: it moves 30 times a second, and each time Qt composes the whole window with its canvas anew.
        self.bar.setRange(0, 1)
        self.bar.reset()
        self.time_left.setText(doing)

    def show_share(self, done: int, total: int, doing: str, seconds_left: float | None) -> None:
        """Move the bar and tell the time left."""
        self.bar.setRange(0, max(total, 1))
        self.bar.setValue(done)
        self.time_left.setText(doing if seconds_left is None else f"{doing} · {spell_seconds(seconds_left)} left")

    def say(self, text: str, tone: Tone = "quiet") -> None:
        """Show `text`."""
        self.message.setStyleSheet(f"color: {COLORS[tone]};" if tone in COLORS else "")
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
