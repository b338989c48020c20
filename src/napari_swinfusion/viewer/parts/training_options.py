"""How to train: name, base, recipe and how long; the rare choices folded away under Advanced."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QDoubleSpinBox, QFormLayout, QHBoxLayout, QLineEdit, QSpinBox, QWidget
from superqt import QCollapsible

from napari_swinfusion.decide.base import DeciderInfo
from napari_swinfusion.losses.recipes import RECIPES
from napari_swinfusion.viewer.parts.choice import Choice
from napari_swinfusion.viewer.parts.dock_layout import fill_folded
from napari_swinfusion.viewer.parts.options_panel import DEVICES
from napari_swinfusion.viewer.training_request import TrainingOptions

_HOLD_OUT = [("Automatic", "auto"), ("Whole stacks", "stacks"), ("Half of each image", "half")]
_NOTHING = "Nothing (from scratch)"


class TrainingOptionsPanel(QWidget):
    """All choices but the data; `changed` says that one was changed."""

    changed = Signal()

    def __init__(self, bases: Sequence[DeciderInfo], device: str) -> None:
        super().__init__()
        self.name = QLineEdit("my-model")
        self.name.setMaxLength(60)
        self.name.setToolTip("What your model will be called, here and on the command line.")
        self.base = Choice([], "The model to start from.")
        self.offer_bases(bases)
        self.base.choose("default")
        self.recipe = Choice([(name, name) for name in RECIPES], "What the network is told is good.")
        for row, recipe in enumerate(RECIPES.values()):
            self.recipe.setItemData(row, recipe.summary, Qt.ItemDataRole.ToolTipRole)
        self.recipe.choose("microscopy")
        self.amount = QDoubleSpinBox()
        self.amount.setRange(0.1, 100_000)
        self.amount.setDecimals(1)
        self.amount.setValue(10)
        self.amount.setToolTip("How long to train; it ends earlier when held-out images no longer improve.")
        self.unit = Choice(
            [("minutes", "minutes"), ("epochs", "epochs")], "An epoch looks about once at all of your images."
        )
        self.hold_out = Choice(
            _HOLD_OUT,
            "Images that are only judged on. Automatic holds out whole stacks where there are three or more, else the "
            "right or lower half of each.",
        )
        self.register = Choice(
            [("No", "off"), ("By whole pixels", "translation")], "Move planes that are shifted sideways back in place."
        )
        self.device = Choice(DEVICES, "Where to train; automatic takes CUDA, else MPS, else the processor.")
        self.device.choose(device)
        self.size = QSpinBox()
        self.size.setRange(0, 1024)
        self.size.setSingleStep(32)
        self.size.setSpecialValueText("Automatic")
        self.size.setToolTip("Side of the crops in pixels; smaller ones need less memory and time, and show less.")
        self.simulated = QSpinBox()
        self.simulated.setRange(0, 90)
        self.simulated.setSuffix(" %")
        self.simulated.setValue(round(100 * TrainingOptions.simulated_share))
        self.simulated.setToolTip("Share of the steps on simulated stacks, which keep what the base knows.")
        self.rate = QDoubleSpinBox()
        self.rate.setRange(0, 0.1)
        self.rate.setDecimals(5)
        self.rate.setSingleStep(1e-4)
        self.rate.setSpecialValueText("Automatic")
        self.rate.setToolTip("Learning rate: how far each step goes; too large a one unlearns what the base knows.")
        self.advanced = QCollapsible("Advanced", expandedIcon="▾", collapsedIcon="▸")
        self.advanced.toggleButton().setToolTip("Held-out images, alignment, crops, learning rate and device.")
        self.advanced.setDuration(0)
        self._lay_out()
        for choice in (self.base, self.recipe, self.unit, self.hold_out, self.register, self.device):
            choice.currentIndexChanged.connect(self._tell)
        self.name.textChanged.connect(self._tell)
        for box in (self.amount, self.size, self.simulated, self.rate):
            box.valueChanged.connect(self._tell)

    def options(self) -> TrainingOptions:
        """Return the choices."""
        return TrainingOptions(
            name=self.name.text(),
            base=self.base.currentData(),
            recipe=self.recipe.currentData(),
            amount=self.amount.value(),
            unit=self.unit.currentData(),
            hold_out=self.hold_out.currentData(),
            register=self.register.currentData(),
            device=self.device.currentData(),
            size=self.size.value() or None,
            simulated_share=self.simulated.value() / 100,
            learning_rate=self.rate.value() or None,
        )

    def offer_bases(self, bases: Sequence[DeciderInfo]) -> None:
        """Offer networks to start from."""
        self.base.offer([*((info.name, info.name) for info in bases), (_NOTHING, None)])
        for row, info in enumerate(bases):
            self.base.setItemData(row, info.summary, Qt.ItemDataRole.ToolTipRole)

    def _lay_out(self) -> None:
        how_long = QHBoxLayout()
        how_long.addWidget(self.amount, 1)
        how_long.addWidget(self.unit, 1)
        form = QFormLayout()
        form.addRow("Name", self.name)
        form.addRow("Base", self.base)
        form.addRow("Recipe", self.recipe)
        form.addRow("Train for", how_long)
        folded_form = QFormLayout()
        folded_form.addRow("Hold out", self.hold_out)
        folded_form.addRow("Align", self.register)
        folded_form.addRow("Crop (px)", self.size)
        folded_form.addRow("Simulated", self.simulated)
        folded_form.addRow("Rate", self.rate)
        folded_form.addRow("Device", self.device)
        fill_folded(self, form, self.advanced, folded_form)

    def _tell(self) -> None:
        self.changed.emit()
