"""Which layers to fuse: one z-stack, or two planes."""

from __future__ import annotations

from napari.components import ViewerModel
from napari.layers import Image
from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QButtonGroup,
    QFormLayout,
    QGridLayout,
    QLabel,
    QRadioButton,
    QVBoxLayout,
    QWidget,
)

from napari_swinfusion.viewer.parts.layer_combo import LayerCombo
from napari_swinfusion.viewer.results import is_result


class SourcePanel(QWidget):
    """The switch between stack and planes, with a box for each layer; `changed` says that the choice is another."""

    changed = Signal()

    def __init__(self, viewer: ViewerModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._watched: list[Image] = []
        self.stack_button = QRadioButton("Z-stack")
        self.stack_button.setToolTip("Fuse the planes of one layer, for example a z-stack of an organoid.")
        self.planes_button = QRadioButton("Two planes")
        self.planes_button.setToolTip("Fuse two layers that show the same place at different focus.")
        self.stack_button.setChecked(True)
        self.stack_combo = LayerCombo("The layer with the z-stack; it is not changed.")
        self.first_combo = LayerCombo("The upper (first) plane; decision 1.")
        self.second_combo = LayerCombo("The lower (second) plane; decision 2.")
        self.facts = QLabel()
        self.facts.setToolTip("Size and pixel type of what will be fused.")
        self.facts.setWordWrap(True)
        self._lay_out()
        for combo in (self.stack_combo, self.first_combo, self.second_combo):
            combo.chosen.connect(self._watch)
        self.stack_button.toggled.connect(self._switch)
        events = viewer.layers.events
        for event in (events.inserted, events.removed, events.renamed):
            event.connect(self._offer)
        self._offer()

    def layers(self) -> list[Image]:
        """Return the chosen layers: one z-stack, two planes, or fewer where the choice is not complete."""
        combos = [self.stack_combo] if self.stack_button.isChecked() else [self.first_combo, self.second_combo]
        chosen = [combo.layer() for combo in combos]
        return [] if None in chosen else [layer for layer in chosen if layer is not None]

    def detach(self) -> None:
        """Stop listening to the viewer, before this widget goes."""
        events = self._viewer.layers.events
        for event in (events.inserted, events.removed, events.renamed):
            event.disconnect(self._offer)
        self._listen([])

    def _lay_out(self) -> None:
        group = QButtonGroup(self)
        switch = QGridLayout()
        for column, button in enumerate((self.stack_button, self.planes_button)):
            group.addButton(button)
            switch.addWidget(button, 0, column)
        self._form = QFormLayout()
        self._form.setContentsMargins(0, 0, 0, 0)
        for name, combo in (("Layer", self.stack_combo), ("Upper", self.first_combo), ("Lower", self.second_combo)):
            self._form.addRow(name, combo)
        self._show_rows()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(switch)
        layout.addLayout(self._form)
        layout.addWidget(self.facts)

    def _switch(self) -> None:
        self._show_rows()
        self._watch()

    def _show_rows(self) -> None:
        stack = self.stack_button.isChecked()
        self._form.setRowVisible(self.stack_combo, stack)
        self._form.setRowVisible(self.first_combo, not stack)
        self._form.setRowVisible(self.second_combo, not stack)

    def _offer(self) -> None:
        images = [layer for layer in self._viewer.layers if isinstance(layer, Image) and not is_result(layer)]
        active = self._viewer.layers.selection.active
        first = [layer for layer in images if layer is active]
        stacks = first + [layer for layer in images if layer.ndim > 2] + images
        planes = [layer for layer in images if layer.ndim == 2] or images
        self.stack_combo.offer(images, next(iter(stacks), None))
        self.first_combo.offer(images, next(iter(planes), None))
        self.second_combo.offer(images, next(iter(planes[1:]), None))

    def _watch(self) -> None:
        self._listen(self.layers())
        self.changed.emit()

    def _listen(self, layers: list[Image]) -> None:
        for layer in self._watched:
            layer.events.data.disconnect(self._tell)
            layer.events.axis_labels.disconnect(self._tell)
        for layer in layers:
            layer.events.data.connect(self._tell)
            layer.events.axis_labels.connect(self._tell)
        self._watched = layers

    def _tell(self) -> None:
        self.changed.emit()
