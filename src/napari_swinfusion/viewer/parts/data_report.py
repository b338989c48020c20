"""What a training would use, with a thumbnail of each stack, and what stands against it."""

from __future__ import annotations

from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QIcon, QImage, QPixmap
from qtpy.QtWidgets import QLabel, QListWidget, QListWidgetItem, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from napari_swinfusion.viewer.data_check import THUMBNAIL, DataCheck, Line
from napari_swinfusion.viewer.parts.status import COLORS

_MOST_ROWS = 3
_ROW = THUMBNAIL + 6


class DataReportPanel(QWidget):
    """The button "Check data" and its answer."""

    def __init__(self) -> None:
        super().__init__()
        self.button = QPushButton("Check data")
        self.list = QListWidget()
        self.list.setToolTip("What is learned from, and what is held out to judge by.")
        self.list.setIconSize(QSize(THUMBNAIL, THUMBNAIL))
        self.list.setWordWrap(True)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setSelectionMode(QListWidget.SelectionMode.NoSelection)
        self.text = QLabel()
        self.text.setWordWrap(True)
        self.text.setTextFormat(Qt.TextFormat.RichText)
        self.text.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        self.text.setToolTip("What stands against a training, and what to know of the images.")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (self.button, self.list, self.text):
            layout.addWidget(widget)
        self.clear()

    def clear(self) -> None:
        """Forget the answer: the choice is another."""
        self.list.setVisible(False)
        self.text.setVisible(False)

    def show_check(self, check: DataCheck) -> None:
        """Show the answer."""
        self.list.clear()
        for line in check.lines:
            self.list.addItem(_item(line))
        self.list.setFixedHeight(_ROW * min(len(check.lines), _MOST_ROWS) + 6)
        self.list.setVisible(bool(check.lines))
        told = [f"<span style='color:{COLORS['bad']}'>{_plain(text)}</span>" for text in check.problems]
        told += [_plain(text) for text in check.notices]
        self.text.setText("<br>".join(told))
        self.text.setVisible(bool(told))


def _item(line: Line) -> QListWidgetItem:
    height, width = line.thumbnail.shape
    image = QImage(line.thumbnail.tobytes(), width, height, width, QImage.Format.Format_Grayscale8).copy()
    item = QListWidgetItem(QIcon(QPixmap.fromImage(image)), f"{line.name} · {line.role}\n{line.facts}")
    item.setToolTip(line.detail)
    item.setSizeHint(QSize(0, _ROW))
    return item


def _plain(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")
