"""What to learn from: ticked z-stacks, each perhaps with a reference and a painted map, or a folder."""

from __future__ import annotations

from contextlib import suppress

from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer
from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import (
    QButtonGroup,
    QFileDialog,
    QFormLayout,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QRadioButton,
    QVBoxLayout,
    QWidget,
)

from napari_swinfusion.errors import InputError
from napari_swinfusion.viewer.painted_map import new_painted_map, plane_in_view
from napari_swinfusion.viewer.parts.layer_combo import LayerCombo
from napari_swinfusion.viewer.results import is_result

_LIST_HEIGHT = 72
_KEY = Qt.ItemDataRole.UserRole


class TrainingDataPanel(QWidget):
    """The switch between layers and a folder with what belongs to each; `changed` says that the choice is another."""

    changed = Signal()

    def __init__(self, viewer: ViewerModel) -> None:
        super().__init__()
        self._viewer = viewer
        self._stacks: dict[str, Image] = {}
        self._reference: dict[str, Layer | None] = {}
        self._painted: dict[str, Layer | None] = {}
        self.layers_button = QRadioButton("Layers")
        self.layers_button.setToolTip("Learn from z-stacks that are open here.")
        self.folder_button = QRadioButton("Folder")
        self.folder_button.setToolTip("Learn from the stacks in a folder: TIFF files, folders of planes, or pairs.")
        self.layers_button.setChecked(True)
        self.list = QListWidget()
        self.list.setFixedHeight(_LIST_HEIGHT)
        self.list.setToolTip("Tick the z-stacks to learn from. The chosen row may have a reference and a painted map.")
        self.list.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.reference = LayerCombo("A sharp image of the chosen stack, if there is one.", none="none")
        self.painted = LayerCombo(
            "A Labels layer in which you painted, where you know it, the number of the sharp plane (the first is 1).",
            none="none",
        )
        self.new_map = QPushButton("New")
        self.new_map.setToolTip("Add an empty map over the chosen stack; the brush paints the plane in view.")
        self.folder = QLineEdit()
        self.folder.setPlaceholderText("folder with stacks")
        self.folder.setToolTip("Stacks in it; NAME-reference.tif and NAME-painted.tif beside NAME.tif belong to it.")
        self.browse = QPushButton("…")
        self.browse.setToolTip("Choose the folder.")
        self.browse.setFixedWidth(32)
        self.facts = QLabel()
        self.facts.setWordWrap(True)
        self.facts.setToolTip("What will be learned from.")
        self._lay_out()
        self._connect()
        self._offer()

    def stacks(self) -> list[tuple[Image, Layer | None, Layer | None]]:
        """Return the ticked stacks with their references and painted maps."""
        chosen = []
        for item in self._items():
            key = item.data(_KEY)
            if item.checkState() == Qt.CheckState.Checked:
                chosen.append((self._stacks[key], self._reference.get(key), self._painted.get(key)))
        return chosen

    def folder_path(self) -> str | None:
        """Return the folder's path as typed, or None where layers are to be used."""
        return self.folder.text() if self.folder_button.isChecked() else None

    def detach(self) -> None:
        """Stop listening to the viewer, before this widget goes."""
        events = self._viewer.layers.events
        for event in (events.inserted, events.removed, events.renamed):
            event.disconnect(self._offer)
        self._viewer.dims.events.current_step.disconnect(self._set_brush)

    def _lay_out(self) -> None:
        group = QButtonGroup(self)
        switch = QGridLayout()
        for column, button in enumerate((self.layers_button, self.folder_button)):
            group.addButton(button)
            switch.addWidget(button, 0, column)
        self._of_layers, self._of_folder = QWidget(), QWidget()
        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("Reference", self.reference)
        painted = QHBoxLayout()
        painted.addWidget(self.painted)
        painted.addWidget(self.new_map)
        form.addRow("Painted", painted)
        column = QVBoxLayout(self._of_layers)
        column.addWidget(self.list)
        column.addLayout(form)
        row = QHBoxLayout(self._of_folder)
        row.addWidget(self.folder)
        row.addWidget(self.browse)
        layout = QVBoxLayout(self)
        for each in (form, painted, column, row, layout):
            each.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(switch)
        layout.addWidget(self._of_layers)
        layout.addWidget(self._of_folder)
        layout.addWidget(self.facts)
        self._of_folder.setVisible(False)

    def _connect(self) -> None:
        self.layers_button.toggled.connect(self._switch)
        self.list.itemChanged.connect(self._tell)
        self.list.currentRowChanged.connect(self._show_belongings)
        self.reference.chosen.connect(self._keep_belongings)
        self.painted.chosen.connect(self._keep_belongings)
        self.new_map.clicked.connect(self._add_map)
        self.folder.textChanged.connect(self._tell)
        self.browse.clicked.connect(self._browse)
        events = self._viewer.layers.events
        for event in (events.inserted, events.removed, events.renamed):
            event.connect(self._offer)
        self._viewer.dims.events.current_step.connect(self._set_brush)

    def _items(self) -> list[QListWidgetItem]:
        return [self.list.item(row) for row in range(self.list.count())]

    def _switch(self) -> None:
        self._of_layers.setVisible(self.layers_button.isChecked())
        self._of_folder.setVisible(self.folder_button.isChecked())
        self._tell()

    def _offer(self) -> None:
        ticked = {item.data(_KEY): item.checkState() for item in self._items()}
        current = self.list.currentRow()
        images = [layer for layer in self._viewer.layers if isinstance(layer, Image)]
        self._stacks = {str(layer.unique_id): layer for layer in images if layer.ndim > 2 and not is_result(layer)}
        with QSignalBlocker(self.list):
            self.list.clear()
            for key, layer in self._stacks.items():
                item = QListWidgetItem(layer.name, self.list)
                item.setData(_KEY, key)
                item.setToolTip(layer.name)
                item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
                item.setCheckState(ticked.get(key, Qt.CheckState.Checked))
            self.list.setCurrentRow(min(max(current, 0), self.list.count() - 1))
        there = list(self._viewer.layers)
        for kept in (self._reference, self._painted):
            for key in [key for key, layer in kept.items() if layer not in there or key not in self._stacks]:
                del kept[key]
        self._planes = [layer for layer in images if layer not in self._stacks.values()]
        self._labels = [layer for layer in self._viewer.layers if isinstance(layer, Labels)]
        self._show_belongings()
        self._tell()

    def _show_belongings(self) -> None:
        item = self.list.currentItem()
        key = item.data(_KEY) if item is not None else None
        for combo, offered, kept in (
            (self.reference, self._planes, self._reference),
            (self.painted, self._labels, self._painted),
        ):
            with QSignalBlocker(combo):
                combo.offer(offered, None)
                combo.choose(kept.get(key))
            combo.setEnabled(key is not None and bool(offered))
        self.new_map.setEnabled(key is not None)

    def _keep_belongings(self) -> None:
        item = self.list.currentItem()
        if item is not None:
            self._reference[item.data(_KEY)] = self.reference.layer()
            self._painted[item.data(_KEY)] = self.painted.layer()
        self._tell()

    def _add_map(self) -> None:
        stack = self._stacks[self.list.currentItem().data(_KEY)]
        # Where the axes cannot be told, the dock says so already.
        with suppress(InputError):
            painted = new_painted_map(stack)
            self._viewer.add_layer(painted)
            self.painted.choose(painted)
            self._set_brush()

    def _set_brush(self) -> None:
        for key, painted in self._painted.items():
            if isinstance(painted, Labels) and painted.mode == "paint":
                with suppress(InputError):
                    painted.selected_label = plane_in_view(self._stacks[key], self._viewer.dims.point)

    def _browse(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, "Folder with focal stacks", self.folder.text())
        if chosen:
            self.folder.setText(chosen)

    def _tell(self) -> None:
        self.changed.emit()
