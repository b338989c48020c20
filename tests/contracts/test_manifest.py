"""napari can read the manifest, and every command in it leads somewhere."""

from __future__ import annotations

import importlib
import subprocess
import sys
from importlib.metadata import entry_points

import pytest
from npe2 import PluginManifest

MANIFEST = PluginManifest.from_distribution("napari-swinfusion")


def test_npe2_finds_no_fault_in_the_manifest() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "npe2", "validate", "napari-swinfusion"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def test_napari_is_led_to_the_manifest() -> None:
    (entry,) = (found for found in entry_points(group="napari.manifest") if found.name == "napari-swinfusion")
    assert entry.value == "napari_swinfusion:napari.yaml"


@pytest.mark.parametrize("command", MANIFEST.contributions.commands or [], ids=lambda command: command.id)
def test_each_command_leads_to_something_callable(command) -> None:
    module, _, name = command.python_name.partition(":")
    assert callable(getattr(importlib.import_module(module), name))
