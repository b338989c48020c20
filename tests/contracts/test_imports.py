"""Everything below the viewer works on a machine that has neither napari nor Qt, with the declared dependencies."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

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


def test_what_is_imported_is_declared_and_what_is_declared_is_imported() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    base = {named(requirement) for requirement in project["dependencies"]}
    window = {named(requirement) for requirement in project["optional-dependencies"]["all"]}
    src = ROOT / "src" / "napari_swinfusion"
    viewer = imported(path for path in src.rglob("*.py") if src / "viewer" in path.parents)
    others = imported(path for path in src.rglob("*.py") if src / "viewer" not in path.parents)
    on_demand = {named(requirement).partition(".")[0] for requirement in project["optional-dependencies"]["bioimageio"]}
    assert others == base | on_demand
    assert viewer - base == window


def named(requirement: str) -> str:
    name = re.split(r"[\[<>=;~! ]", requirement)[0]
    return {"scikit-image": "skimage", "pillow": "PIL"}.get(name, name)


def imported(paths: Iterable[Path]) -> set[str]:
    names = set()
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.partition(".")[0])
    return names - sys.stdlib_module_names - {"napari_swinfusion"}
