"""How docks are laid out: what may scroll above what must stay in sight, narrow enough for a small window."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFormLayout, QFrame, QScrollArea, QVBoxLayout, QWidget
from superqt import QCollapsible

WIDTH = 300


def fill_dock(dock: QWidget, body: QWidget, panel: QWidget, *, head: QWidget | None = None) -> None:
    """Put `body`, scrolling where it has to, between `head` and `panel` into the empty `dock`."""
    scroll = QScrollArea()
    scroll.setWidget(body)
    scroll.setWidgetResizable(True)
    scroll.setFrameShape(QFrame.Shape.NoFrame)
    scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    panel.layout().setContentsMargins(8, 4, 8, 8)
    layout = QVBoxLayout(dock)
    layout.setContentsMargins(0, 0, 0, 0)
    if head is not None:
        row = QVBoxLayout()
        row.setContentsMargins(8, 8, 8, 0)
        row.addWidget(head)
        layout.addLayout(row)
    layout.addWidget(scroll, 1)
    layout.addWidget(panel)
    dock.setMinimumWidth(WIDTH)
    dock.setMaximumWidth(WIDTH + 20)


def column(widgets: Sequence[QWidget]) -> QWidget:
    """Return a widget with `widgets` below each other, a thin line between them."""
    whole = QWidget()
    rows = QVBoxLayout(whole)
    rows.setContentsMargins(8, 8, 8, 4)
    for i, widget in enumerate(widgets):
        if i:
            rows.addWidget(_line())
        rows.addWidget(widget)
    rows.addStretch(1)
    return whole


def fill_folded(panel: QWidget, form: QFormLayout, fold: QCollapsible, folded_form: QFormLayout) -> None:
    """Put `form`, and below it `folded_form` inside `fold`, into the empty `panel`, flush with its sides."""
    for each in (form, folded_form):
        each.setContentsMargins(0, 0, 0, 0)
        each.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    folded = QWidget()
    folded.setLayout(folded_form)
    fold.addWidget(folded)
    fold.layout().setContentsMargins(0, 0, 0, 0)
    layout = QVBoxLayout(panel)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.addLayout(form)
    layout.addWidget(fold)


def _line() -> QFrame:
    line = QFrame()
    line.setFrameShape(QFrame.Shape.HLine)
    line.setFrameShadow(QFrame.Shadow.Sunken)
    return line
