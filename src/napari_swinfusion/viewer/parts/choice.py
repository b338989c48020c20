"""A box of named values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qtpy.QtCore import QSignalBlocker
from qtpy.QtWidgets import QComboBox, QSizePolicy


class Choice(QComboBox):
    """A box of named values."""

    def __init__(self, items: Sequence[tuple[str, Any]], tooltip: str) -> None:
        super().__init__()
        self.setToolTip(tooltip)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(12)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.offer(items)

    def offer(self, items: Sequence[tuple[str, Any]]) -> None:
        """Offer other items; the chosen value stays where it can."""
        before = self.currentData()
        with QSignalBlocker(self):
            self.clear()
            for name, value in items:
                self.addItem(name, value)
            self.choose(before)

    def choose(self, value: Any) -> None:
        """Choose the item with `value`, or the first where there is none."""
        values = [self.itemData(i) for i in range(self.count())]
        self.setCurrentIndex(values.index(value) if value in values else 0)
