"""What happens to a running training when its window closes: the user is asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QMessageBox, QWidget

Answer = Literal["go on", "stop", "stay"]


def ask_how_to_close(parent: QWidget | None, name: str, *, may_stay: bool) -> Answer:
    """Ask whether the training of `name` goes on without its window; "stay" only where closing can be called off."""
    box = QMessageBox(parent)
    box.setIcon(QMessageBox.Icon.Question)
    box.setWindowTitle("A training is running")
    box.setText(f"'{name}' is still training.")
    box.setInformativeText(
        "It can go on in the background, and this dock finds it again; or it stops now, and can be resumed later."
    )
    go_on = box.addButton("Go on in the background", QMessageBox.ButtonRole.AcceptRole)
    stop = box.addButton("Stop, to resume later", QMessageBox.ButtonRole.DestructiveRole)
    box.setDefaultButton(go_on)
    if may_stay:
        box.setEscapeButton(box.addButton("Do not close", QMessageBox.ButtonRole.RejectRole))
    box.exec()
    answers: dict[object, Answer] = {go_on: "go on", stop: "stop"}
    return answers.get(box.clickedButton(), "stay" if may_stay else "go on")


class CloseGuard(QObject):
    """Asks `may_close` before a window closes, and keeps it open where the answer is no."""

    def __init__(self, window: QWidget, may_close: Callable[[], bool], parent: QObject) -> None:
        super().__init__(parent)
        self._may_close = may_close
        window.installEventFilter(self)

    def eventFilter(self, _: QObject, event: QEvent) -> bool:  # noqa: N802
        """Swallow a close event that is not wanted."""
        if event.type() == QEvent.Type.Close and not self._may_close():
            event.ignore()
            return True
        return False
