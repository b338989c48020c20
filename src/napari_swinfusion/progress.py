"""How long work tells where it stands and learns that it should stop; it knows no progress bar."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from napari_swinfusion.errors import CancelledError


@dataclass(frozen=True, kw_only=True)
class Progress:
    """One report: `done` of `total` equal steps of `stage` are finished.

    `seconds_left` is an estimate, or None while there is nothing to estimate from.
    """

    stage: str
    done: int
    total: int
    seconds_left: float | None = None


ProgressCallback = Callable[[Progress], None]


class CancelToken:
    """Set from any thread; the work checks it between tiles and raises `CancelledError`."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def cancel(self) -> None:
        """Ask the work to stop at its next check."""
        self._event.set()

    @property
    def cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self._event.is_set()

    def check(self) -> None:
        """Raise `CancelledError` if `cancel` was called."""
        if self.cancelled:
            raise CancelledError("The run was cancelled; nothing was written.")
