"""A function away from the main thread, whose end is a value like any other: no exception is lost on the way."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QObject, Signal

from napari_swinfusion.errors import SwinFusionError
from napari_swinfusion.viewer.worker import Failed

_log = logging.getLogger(__name__)


class Background(QObject):
    """Runs one function at a time; `done` carries what it returned, or `Failed`, and ends `busy`."""

    done = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.busy = False
        # First of all listeners, so that the others may run the next function.
        self.done.connect(self._rest)

    def run(self, function: Callable[[], Any]) -> None:
        """Call `function` in a thread of its own; call this only while not `busy`."""
        self.busy = True
        threading.Thread(target=self._work, args=(function,), name="swinfusion").start()

    def _rest(self) -> None:
        self.busy = False

    def _work(self, function: Callable[[], Any]) -> None:
        try:
            outcome = function()
        except BaseException as error:  # SystemExit and its like must reach the user too
            _log.error("Work in the background failed.", exc_info=error)
            outcome = Failed(_sentence_of(error))
        # The window may be gone, and this object with it.
        with contextlib.suppress(RuntimeError):
            self.done.emit(outcome)


def _sentence_of(error: BaseException) -> str:
    text = str(error).strip()
    if isinstance(error, SwinFusionError) and text:
        return text
    if isinstance(error, MemoryError):
        return "The memory is full; use fewer or smaller stacks."
    return f"{type(error).__name__}: {text}" if text else f"{type(error).__name__}."
