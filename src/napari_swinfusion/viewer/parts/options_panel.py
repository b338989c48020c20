"""The user's choices about how to fuse, each a box with a tooltip; the rare ones folded away under Advanced."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QCheckBox, QFormLayout, QLineEdit, QSpinBox, QWidget
from superqt import QCollapsible

from napari_swinfusion.decide.base import DeciderInfo
from napari_swinfusion.viewer.parts.choice import Choice
from napari_swinfusion.viewer.parts.dock_layout import fill_folded
from napari_swinfusion.viewer.preferences import Preferences
from napari_swinfusion.viewer.request import Options

DEVICES = [("Automatic", "auto"), ("Processor (CPU)", "cpu"), ("NVIDIA (CUDA)", "cuda"), ("Apple (MPS)", "mps")]
_PREFER = [("Sharpest plane", None), ("Upper plane if close", "top"), ("Lower plane if close", "bottom")]
_BLEND = [("Weighted mean", "soft"), ("One plane per pixel", "hard")]


class OptionsPanel(QWidget):
    """All options of a run; `changed` says that one was changed."""

    changed = Signal()

    def __init__(self, models: Sequence[DeciderInfo], preferences: Preferences) -> None:
        super().__init__()
        self.model = Choice([], "Who decides which plane is sharp where.")
        self.offer_models(models)
        self.device = Choice(DEVICES, "Where a network runs; automatic takes CUDA, else MPS, else the processor.")
        self.prefer = Choice(_PREFER, "Which plane to take where two separate planes are about equally sharp.")
        self.blend = Choice(
            _BLEND,
            "Weighted mean: a mean of measured values, least noise. One plane per pixel: each value as measured.",
        )
        self.register = QCheckBox("Align shifted planes")
        self.register.setToolTip("Measure how far each plane is shifted sideways and move it back by whole pixels.")
        self.illumination = QCheckBox("Match illumination")
        self.illumination.setToolTip("Even out lamp drift and bleaching by a gain and an offset per plane.")
        self.illumination.setChecked(True)
        self.depth = QCheckBox("Depth map")
        self.depth.setToolTip("Show a fourth layer: where in z each pixel is in focus, in planes with fractions.")
        self.tile = QSpinBox()
        self.tile.setRange(0, 8192)
        self.tile.setSingleStep(64)
        self.tile.setSpecialValueText("Automatic")
        self.tile.setToolTip("Side of a tile in pixels; smaller tiles need less memory. The result is the same.")
        self.decide_on = Choice([("All together", None)], "Which channel decides what is sharp, for all channels.")
        self.axes = QLineEdit()
        self.axes.setPlaceholderText("from the layer")
        self.axes.setMaxLength(6)
        self.axes.setToolTip(
            "Names of the layer's axes, one letter each: T time, C channel, Z focus, Y and X space, S colour. "
            "Only needed where the layer does not name them, for example TZYX."
        )
        self.advanced = QCollapsible("Advanced", expandedIcon="▾", collapsedIcon="▸")
        self.advanced.toggleButton().setToolTip("Tile size, deciding channel and axes.")
        self.advanced.setDuration(0)
        self.model.choose(preferences.model)
        self.device.choose(preferences.device)
        self._lay_out()
        self._connect()

    def options(self) -> Options:
        """Return the choices."""
        return Options(
            model=self.model.currentData() or "default",
            device=self.device.currentData(),
            register="translation" if self.register.isChecked() else "off",
            match_illumination=self.illumination.isChecked(),
            blend=self.blend.currentData(),
            prefer=self.prefer.currentData(),
            decide_on=self.decide_on.currentData(),
            tile=self.tile.value() or None,
        )

    def offer_models(self, models: Sequence[DeciderInfo]) -> None:
        """Offer other models; the chosen one stays where it can."""
        self.model.offer([(info.name, info.name) for info in models])
        for row, info in enumerate(models):
            digest = f"\nsha256 {info.sha256[:16]}" if info.sha256 else ""
            self.model.setItemData(row, info.summary + digest, Qt.ItemDataRole.ToolTipRole)

    def offer_channels(self, n_channels: int) -> None:
        """Let the user choose among `n_channels` channels."""
        items: list[tuple[str, Any]] = [("All together", None)]
        if n_channels > 1:
            items += [("Each by itself", "each"), *((f"Channel {i}", i) for i in range(n_channels))]
        if self.decide_on.count() != len(items):
            self.decide_on.offer(items)
        self.decide_on.setEnabled(n_channels > 1)

    def _lay_out(self) -> None:
        form = QFormLayout()
        form.addRow("Model", self.model)
        form.addRow("Device", self.device)
        form.addRow("Prefer", self.prefer)
        form.addRow("Blend", self.blend)
        form.addRow("", self.illumination)
        form.addRow("", self.register)
        form.addRow("", self.depth)
        folded_form = QFormLayout()
        folded_form.addRow("Tile (px)", self.tile)
        folded_form.addRow("Decide on", self.decide_on)
        folded_form.addRow("Axes", self.axes)
        fill_folded(self, form, self.advanced, folded_form)

    def _connect(self) -> None:
        for choice in (self.model, self.device, self.prefer, self.blend, self.decide_on):
            choice.currentIndexChanged.connect(self._tell)
        for box in (self.register, self.illumination, self.depth):
            box.toggled.connect(self._tell)
        self.tile.valueChanged.connect(self._tell)
        self.axes.textChanged.connect(self._tell)

    def _tell(self) -> None:
        self.changed.emit()
