"""A window with a dock and a stack in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("napari", reason="the viewer's tests need napari and Qt: pip install napari-swinfusion[all]")


@pytest.fixture
def fuse_with(make_dock: Any, run_to_end: Any) -> Callable[..., Any]:
    """Return a function that adds an image layer, runs the dock to its end and returns the dock."""

    def fuse(data: Any, **layer: Any) -> Any:
        dock = make_dock()
        dock._viewer.add_image(data, **layer)
        run_to_end(dock)
        return dock

    return fuse


@pytest.fixture
def run_to_end(qtbot: Any) -> Callable[[Any], None]:
    """Return a function that runs a dock and waits until it is usable again."""

    def run(dock: Any) -> None:
        assert dock.start(), dock.panel.message.text()
        qtbot.waitUntil(lambda: not dock.running, timeout=20_000)

    return run
