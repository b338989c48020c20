"""Everything below the viewer imports and works on a machine that has neither napari nor Qt."""

from __future__ import annotations

import subprocess
import sys

# Runs in a fresh interpreter: this one has napari loaded through the test plugins.
WITHOUT_A_WINDOW = """
import importlib, pkgutil, sys

BLOCKED = {"napari", "qtpy", "PyQt5", "PyQt6", "PySide2", "PySide6", "magicgui", "superqt", "vispy"}

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"{name} is blocked", name=name)

sys.meta_path.insert(0, Absent())

import napari_swinfusion as nsf

def below_the_viewer(package):
    for found in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        if found.name.startswith("napari_swinfusion.viewer"):
            continue
        module = importlib.import_module(found.name)
        print(found.name)
        if found.ispkg:
            below_the_viewer(module)

below_the_viewer(nsf)

stack = nsf.simulate(n_planes=3, height=48, width=40, seed=1).stack
for model in ("default", "tenengrad"):
    fused = nsf.fuse(stack, model=model)
    assert fused.image.shape == (48, 40) and fused.image.dtype == stack.dtype, (model, fused.image)
assert not BLOCKED & {name.partition(".")[0] for name in sys.modules}
"""


def test_all_but_the_viewer_works_without_napari_and_qt() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT_A_WINDOW], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    imported = done.stdout.split()
    assert "napari_swinfusion.pipeline" in imported
    assert "napari_swinfusion.cli.demo" in imported
