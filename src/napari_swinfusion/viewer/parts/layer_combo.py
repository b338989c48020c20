"""A box that offers layers by name and keeps its choice while layers come, go and are renamed."""

from __future__ import annotations

from collections.abc import Sequence

from napari.layers import Layer
from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QComboBox, QSizePolicy, QWidget


class LayerCombo(QComboBox):
    """Offers layers; `chosen` is emitted when another layer is chosen, by the user or because one went.

    With `none`, a first item of that name stands for no layer.
    """

    chosen = Signal()

    def __init__(self, tooltip: str, parent: QWidget | None = None, *, none: str = "") -> None:
        super().__init__(parent)
        self.setToolTip(tooltip)
        # Long layer names are cut by the box, not allowed to widen the dock.
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(12)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self._none = none
        self._layers: list[Layer | None] = []
        self.currentIndexChanged.connect(self._tell)

    def layer(self) -> Layer | None:
        """Return the chosen layer."""
        index = self.currentIndex()
        return self._layers[index] if 0 <= index < len(self._layers) else None

    def choose(self, layer: Layer | None) -> None:
        """Choose `layer`, which must be offered; None where there is an item for it."""
        self.setCurrentIndex(self._layers.index(layer))

    def offer(self, layers: Sequence[Layer], default: Layer | None) -> None:
        """Offer `layers`; the choice stays where it can, else it falls on `default`."""
        before = self.layer()
        wanted = before if before in layers else default
        with QSignalBlocker(self):
            self.clear()
            self._layers = [*([None] if self._none else []), *layers]
            self.addItems([layer.name if layer is not None else self._none for layer in self._layers])
            self.setCurrentIndex(self._layers.index(wanted) if wanted in self._layers else -1)
        if self.layer() is not before:
            self.chosen.emit()

    def _tell(self) -> None:
        self.chosen.emit()
