"""What a model is judged on: a focal stack, and its answers where files beside it or the simulator give them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_swinfusion.errors import InputError, LoadError
from napari_swinfusion.focal_stack import FocalStack
from napari_swinfusion.io import is_image, natural_key, read_stack
from napari_swinfusion.io.damage import damage_as_load_error
from napari_swinfusion.io.plane_folder import read_planes
from napari_swinfusion.io.tiff import stack_name
from napari_swinfusion.simulation import SimulatedStack

_TRUTH, _HEIGHT = "truth", "height"
# Files that `swinfusion simulate` puts beside a stack, and that are no stacks of their own.
_ANSWER = re.compile(r"[._-](truth|height|nearest)$")
_PAIR = re.compile(r"^(.*?)[-_ ]?([ab])$", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Case:
    """A focal stack and what is known of its answer.

    Attributes
    ----------
    truth
        All-in-focus image in grey levels of the stack: its axes without Z.
    depth
        True plane index, fractional, `(h, w)`; not finite where there is none.
    data_range
        Distance from black to white, grey levels.
    lamp
        Relative brightness of each plane's lamp where the truth was made under a steady one; None where not known.
    dark
        Grey level of darkness.
    """

    stack: FocalStack
    data_range: float
    truth: NDArray[Any] | None = None
    depth: NDArray[Any] | None = None
    lamp: tuple[float, ...] | None = None
    dark: float = 0.0

    @property
    def name(self) -> str:
        """Name of the stack."""
        return self.stack.name


def simulated_case(drawn: SimulatedStack) -> Case:
    """Return a simulated stack as a case; heights beyond the first and last plane count as these."""
    return Case(
        stack=drawn.stack,
        data_range=drawn.white,
        truth=drawn.truth,
        depth=drawn.depth.clip(0, drawn.stack.n_planes - 1),
        lamp=drawn.lamp,
        dark=drawn.camera.offset * drawn.white,
    )


def find_cases(folder: Path) -> list[list[Path]]:
    """Return the stacks of a folder, each as the paths to read it from.

    Where all images pair up as `NAME-A`, `NAME-B`, each pair is a stack. Else each TIFF of several planes is one, and
    each folder inside; without any of these the images of the folder are the planes of one.

    Raises
    ------
    LoadError
        If the folder is absent or holds no images.
    """
    with damage_as_load_error(folder):
        entries = sorted(folder.iterdir(), key=natural_key)
    files = [path for path in entries if is_image(path) and not _ANSWER.search(stack_name(path))]
    pairs = _pairs(files)
    if pairs:
        return pairs
    stacks = [[path] for path in files if path.suffix.casefold() in (".tif", ".tiff") and _has_planes(path)]
    inside = [[path] for path in entries if path.is_dir() and any(is_image(file) for file in path.iterdir())]
    if stacks or (inside and not files):
        return [*stacks, *inside]
    if not files:
        raise LoadError(f"The folder {folder} holds no stacks; give a folder of TIFF stacks, of pairs or of planes.")
    return [[folder]]


def read_case(paths: list[Path]) -> Case:
    """Read a stack, and its answers where `NAME.truth.*`, `NAME.height.*` and `NAME.json` lie beside it.

    Truth and heights (µm) are single images, as `swinfusion simulate` writes them. White is taken from the JSON; where
    there is none, it is 255 for 8 bits and else the span of the planes from their 0.1 to their 99.9 percentile.

    Raises
    ------
    LoadError
        If a file cannot be read.
    InputError
        If an answer does not fit its stack.
    """
    stack = read_stack(paths[0] if len(paths) == 1 else paths)
    answers = {} if len(paths) > 1 else {role: _beside(paths[0], role) for role in (_TRUTH, _HEIGHT)}
    facts = _facts(paths[0])
    truth, height = (_answer(stack, answers.get(role)) for role in (_TRUTH, _HEIGHT))
    depth = None
    if height is not None and stack.metadata.z_step:
        depth = (height / stack.metadata.z_step).clip(0, stack.n_planes - 1)
    white = float(facts["white"]) if "white" in facts else _span(stack)
    lamp = tuple(float(value) for value in facts["lamp"]) if "lamp" in facts else None
    if lamp is not None and len(lamp) != stack.n_planes:
        raise InputError(f"'{stack.name}' has {stack.n_planes} planes, but its JSON tells of {len(lamp)}.")
    dark = float(facts.get("camera", {}).get("offset", 0.0)) * white
    return Case(stack=stack, data_range=white, truth=truth, depth=depth, lamp=lamp, dark=dark)


def plain_case(stack: FocalStack) -> Case:
    """Return a stack as a case without an answer."""
    return Case(stack=stack, data_range=_span(stack))


def _pairs(files: list[Path]) -> list[list[Path]]:
    """Return the files in pairs A, B; empty unless all of them pair up."""
    families: dict[str, dict[str, Path]] = {}
    for path in files:
        found = _PAIR.match(path.stem)
        if found is None:
            return []
        families.setdefault(found[1], {})[found[2].casefold()] = path
    if any(len(sides) != 2 for sides in families.values()) or 2 * len(families) != len(files):
        return []
    return [[sides["a"], sides["b"]] for sides in families.values()]


def _has_planes(path: Path) -> bool:
    try:
        return read_stack(path).n_planes > 1
    except InputError:
        return False


def _beside(path: Path, role: str) -> Path | None:
    """Return the file of an answer beside a stack, where there is one."""
    name = stack_name(path)
    wanted = {f"{name}{mark}{role}" for mark in "._-"}
    found = [other for other in path.parent.iterdir() if is_image(other) and stack_name(other) in wanted]
    return found[0] if found else None


def _facts(path: Path) -> dict[str, Any]:
    story = path.with_name(f"{stack_name(path)}.json")
    if not story.is_file():
        return {}
    with damage_as_load_error(story):
        facts = json.loads(story.read_text(encoding="utf-8"))
    return facts if isinstance(facts, dict) else {}


def _answer(stack: FocalStack, path: Path | None) -> NDArray[Any] | None:
    """Read a single image that belongs to a stack."""
    if path is None:
        return None
    image = read_planes([path])
    if image.n_planes != 1 or (image.height, image.width) != (stack.height, stack.width):
        raise InputError(f"{path.name} is no single image of the size of '{stack.name}'; its answers must fit a stack.")
    return image.assemble([image.read(0, plane=0)[0]])


def _span(stack: FocalStack) -> float:
    if stack.dtype == np.uint8:
        return 255.0
    low, high = np.nanpercentile(stack.read(0)[..., ::2, ::2].astype(np.float64), (0.1, 99.9))
    return float(high - low) or 1.0
