"""The curves of a training: its loss on what it learns from and on what it does not, and what is gained."""

from __future__ import annotations

from collections.abc import Sequence

import pyqtgraph
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QSizePolicy, QVBoxLayout, QWidget

_HEIGHT = 104
_MOST_DOTS = 60
# Told apart by people who see no red, on dark and light themes alike.
_COLORS = ("#56a3e8", "#e69f00", "#1fa37c", "#cc79a7")


class Plot(QWidget):
    """One plot with a line of coloured names above it."""

    def __init__(self, title: str, names: Sequence[str], tooltip: str) -> None:
        super().__init__()
        self._title = title
        self._points: dict[str, tuple[list[float], list[float]]] = {}
        self._curves: dict[str, pyqtgraph.PlotDataItem] = {}
        self.legend = QLabel()
        self.legend.setTextFormat(Qt.TextFormat.RichText)
        self.legend.setToolTip(tooltip)
        self.plot = pyqtgraph.PlotWidget(background=None)
        self.plot.setToolTip(tooltip)
        self.plot.setFixedHeight(_HEIGHT)
        self.plot.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.plot.setMenuEnabled(False)
        self.plot.setMouseEnabled(x=False, y=False)
        self.plot.hideButtons()
        self.plot.showGrid(y=True, alpha=0.15)
        for side in ("left", "bottom"):
            axis = self.plot.getAxis(side)
            axis.setPen("#808080")
            axis.setTextPen("#909090")
        self.plot.getAxis("left").setWidth(44)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.legend)
        layout.addWidget(self.plot)
        for name in names:
            self._curve(name)
        self._write_legend()

    def add(self, name: str, x: float, y: float) -> None:
        """Take one more point of the curve `name`; `draw` shows it."""
        self._curve(name)
        xs, ys = self._points[name]
        xs.append(x)
        ys.append(y)

    def draw(self) -> None:
        """Draw what was taken."""
        for name, curve in self._curves.items():
            xs, ys = self._points[name]
            curve.setData(xs, ys, symbol="o" if len(xs) < _MOST_DOTS else None)

    def clear(self) -> None:
        """Forget all points."""
        self._points = {name: ([], []) for name in self._curves}
        self.draw()

    def points(self, name: str) -> list[tuple[float, float]]:
        """Return what the curve `name` shows."""
        return list(zip(*self._points.get(name, ([], [])), strict=True))

    def _curve(self, name: str) -> pyqtgraph.PlotDataItem:
        if name not in self._curves:
            color = _COLORS[len(self._curves) % len(_COLORS)]
            self._points[name] = ([], [])
            self._curves[name] = self.plot.plot(
                pen=pyqtgraph.mkPen(color, width=2), symbolSize=4, symbolPen=None, symbolBrush=color,
                autoDownsample=True, antialias=True,
            )  # fmt: skip
            self._write_legend()
        return self._curves[name]

    def _write_legend(self) -> None:
        colors = (_COLORS[i % len(_COLORS)] for i in range(len(self._curves)))
        names = [f"<span style='color:{of}'>● {name}</span>" for name, of in zip(self._curves, colors, strict=True)]
        self.legend.setText(" &nbsp; ".join([self._title, *names]))
