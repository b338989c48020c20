"""One training to look at: what it is, its curves, and at the end what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from napari_swinfusion.viewer.parts.curves import Plot
from napari_swinfusion.viewer.parts.status import COLORS

_USE = "Choose this model in the Fuse dock."
_SMOOTHING = 0.1  # Weight of the newest report in the running mean.
_LEARNED, _HELD_OUT = "training", "held out"


class TrainingView(QWidget):
    """Facts, curves and result of one training, fed with its events."""

    use_clicked = Signal()
    export_clicked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.facts = _words("What is trained, from what, and where.")
        self.loss = Plot(
            "Loss",
            [_LEARNED, _HELD_OUT],
            "Over the steps, lower is better. Training is a running mean over crops of your images; simulated stacks, "
            "whose loss is of another scale, are left out.",
        )
        self.gain = Plot(
            "Gain, dB", [], "On held-out images, against the base, over the steps; above 0 is better than the base."
        )
        self.result = _words("Scores on held-out images before and after, higher is better, and what was gained.")
        self.use_button = QPushButton("Use in Fuse dock")
        self.use_button.setToolTip(_USE)
        self.export_button = QPushButton("Export …")
        self.export_button.setToolTip("Save a copy (.safetensors), or a package for bioimage.io (.zip).")
        self.use_button.clicked.connect(self.use_clicked)
        self.export_button.clicked.connect(self.export_clicked)
        self._buttons = QWidget()
        row = QHBoxLayout(self._buttons)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.use_button)
        row.addWidget(self.export_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (self.facts, self.loss, self.gain, self.result, self._buttons):
            layout.addWidget(widget)
        layout.addStretch(1)
        self.clear()

    def clear(self) -> None:
        """Forget the training shown."""
        self._base: dict[str, float] = {}
        self._mean, self._counted = 0.0, 0
        self.facts.clear()
        self.loss.clear()
        self.gain.clear()
        self.result.clear()
        self._buttons.setVisible(False)

    def show_events(self, events: Sequence[dict[str, Any]]) -> None:
        """Show what events tell; those that say nothing new here are passed over."""
        for event in events:
            self._take(event)
        self.loss.draw()
        self.gain.draw()

    def _take(self, event: dict[str, Any]) -> None:
        kind = event["event"]
        if kind == "started":
            self.facts.setText(_told(event))
        elif kind == "progress" and event["loss"] is not None:
            self._mean += (event["loss"] - self._mean) * max(_SMOOTHING, 1 / (self._counted + 1))
            self._counted += 1
            self.loss.add(_LEARNED, event["step"], self._mean)
        elif kind == "validation":
            self._show_validation(event)
        elif kind == "finished":
            self._show_result(event)

    def _show_validation(self, event: dict[str, Any]) -> None:
        self.loss.add(_HELD_OUT, event["step"], event["loss"])
        if event["step"] == 0:
            self._base = event["scores"]
        for name, score in event["scores"].items():
            if name in self._base:
                self.gain.add(name, event["step"], score - self._base[name])

    def _show_result(self, event: dict[str, Any]) -> None:
        rows = [
            f"<tr><td>{name}, dB &nbsp;</td><td align='right'>{event['before'][name]:.2f} → "
            f"{event['after'][name]:.2f} &nbsp;</td><td align='right'><b>{mean:+.2f}</b></td></tr>"
            for name, (mean, _, _) in event["gain"].items()
        ]
        color = COLORS["good" if event["accepted"] else "bad"]
        verdict = "Better than its base" if event["accepted"] else "Not better: kept apart"
        self.result.setText(
            f"<b style='color:{color}'>{verdict}</b><table>{''.join(rows)}</table>sha256 {event['sha256'][:16]}…"
        )
        self.use_button.setEnabled(event["accepted"])
        self.use_button.setToolTip(_USE if event["accepted"] else event["reason"])
        self._buttons.setVisible(True)


def _words(tooltip: str) -> QLabel:
    label = QLabel()
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.RichText)
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
    label.setToolTip(tooltip)
    return label


def _told(event: dict[str, Any]) -> str:
    learned, held = len(event["training"]), len(event["held_out"])
    lines = [
        f"<b>{event['base']}</b> → <b>{event['out'].replace(chr(92), '/').rpartition('/')[2].partition('.')[0]}</b>",
        f"recipe {event['recipe']} · {event['parameters'] / 1000:.0f} k parameters",
        f"on {event['device']} · {learned} learned from, {held} held out",
        *event["notices"],
    ]
    return "<br>".join(lines)
