"""The saved choices of napari's Preferences page (`configurations` in the manifest)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Preferences:
    """What a new dock starts with; `threads` 0 leaves one core to the window."""

    model: str = "default"
    device: str = "auto"
    threads: int = 0


def load_preferences() -> Preferences:
    """Return the saved preferences, or the defaults where the plugin is not registered."""
    from napari.settings import get_plugin_settings

    try:
        saved = get_plugin_settings("napari-swinfusion").fusion
    except KeyError:
        return Preferences()
    return Preferences(model=saved.model, device=saved.device, threads=saved.threads)
