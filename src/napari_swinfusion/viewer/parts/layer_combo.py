"""A box that offers layers by name and keeps its choice while layers come, go and are renamed."""

from __future__ import annotations

from collections.abc import Sequence

from napari.layers import Image
from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QComboBox, QSizePolicy, QWidget


class LayerCombo(QComboBox):
    """Offers image layers; `chosen` is emitted when another layer is chosen, by the user or because one went."""

    chosen = Signal()

    def __init__(self, tooltip: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setToolTip(tooltip)
        # Long layer names are cut by the box, not allowed to widen the dock.
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(12)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self._layers: list[Image] = []
        self.currentIndexChanged.connect(self._tell)

    def layer(self) -> Image | None:
        """Return the chosen layer."""
        index = self.currentIndex()
        return self._layers[index] if 0 <= index < len(self._layers) else None

    def choose(self, layer: Image) -> None:
        """Choose `layer`, which must be offered."""
        self.setCurrentIndex(self._layers.index(layer))

    def offer(self, layers: Sequence[Image], default: Image | None) -> None:
        """Offer `layers`; the choice stays where it can, else it falls on `default`."""
        before = self.layer()
        wanted = before if before in layers else default
        with QSignalBlocker(self):
            self.clear()
            self._layers = list(layers)
            self.addItems([layer.name for layer in layers])
            self.setCurrentIndex(self._layers.index(wanted) if wanted in self._layers else -1)
        if self.layer() is not before:
            self.chosen.emit()

    def _tell(self) -> None:
        self.chosen.emit()
