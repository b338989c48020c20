"""The names users may rely on stand in `public_names.json`; changing them is a decision, not an accident.

To change them on purpose, run `python tests/contracts/test_public_names.py` and commit the file with the change.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
from pathlib import Path

SNAPSHOT = Path(__file__).with_name("public_names.json")


def public_names() -> dict[str, list[str]]:
    """Return `__all__` of the package and of each of its rooms that has one."""
    import napari_swinfusion

    rooms = [found.name for found in pkgutil.iter_modules(napari_swinfusion.__path__) if found.name != "viewer"]
    modules = ["napari_swinfusion", *(f"napari_swinfusion.{room}" for room in rooms)]
    named = {module: sorted(getattr(importlib.import_module(module), "__all__", ())) for module in modules}
    return {module: names for module, names in named.items() if names}


def test_public_names_are_those_of_the_snapshot() -> None:
    assert public_names() == json.loads(SNAPSHOT.read_text(encoding="utf-8"))


def test_every_public_name_exists() -> None:
    for module, names in public_names().items():
        for name in names:
            assert hasattr(importlib.import_module(module), name), f"{module}.{name}"


if __name__ == "__main__":
    SNAPSHOT.write_text(json.dumps(public_names(), indent=2) + "\n", encoding="utf-8")
