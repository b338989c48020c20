"""A bar in napari's activity dock that follows a run and whose Cancel button cancels it; main thread only."""

from __future__ import annotations

from collections.abc import Callable

from napari.utils import cancelable_progress


class ActivityBar(cancelable_progress):
    """A bar of 100 steps."""

    def __init__(self, title: str, on_cancel: Callable[[], None]) -> None:
        # Before super(): the activity dock may draw the bar within it.
        self._on_cancel = on_cancel
        super().__init__(total=100, desc=title, bar_format="{desc}|{bar}| {remaining} left")

    def cancel(self) -> None:
        """Cancel the run, which napari's own bar leaves to its iterator."""
        super().cancel()
        self._on_cancel()

    def show(self, fraction: float) -> None:
        """Move to `fraction` in [0, 1]; never back."""
        step = round(fraction * 100) - self.n
        if step > 0:
            self.update(step)
