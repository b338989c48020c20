"""What a network may learn from: stacks, each perhaps with a sharp reference and a painted decision map.

On disk an example is a multi-plane TIFF, a folder of planes, or single-plane images whose names differ in their last
part only: `leaf_z00.png leaf_z01.png …`, or a pair such as `leaf-A.jpg leaf-B.jpg`. Or its planes bear one name in
subfolders, one for each focus: `near/leaf.jpg far/leaf.jpg`, as public multi-focus data are laid out. Stacks as folders
of planes bear equal names too; what tells the two apart is whether images of one name, or of one folder, look alike.

What belongs to an example lies beside it: `leaf-reference.tif` (or `-truth`) is its sharp image and `leaf-painted.tif`
its painted map; `leaf-stack.ome.tif` and `leaf-truth.ome.tif`, as `swinfusion simulate` writes them, belong together
too. Or it lies by the example's name in a subfolder called `reference`, `truth`, `GT` or `painted`.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from napari_swinfusion.errors import AxesError, InputError, LoadError, SwinFusionError
from napari_swinfusion.focal_stack import FocalStack
from napari_swinfusion.io import is_image, natural_key, read_stack
from napari_swinfusion.io.plane_folder import PLANE_SUFFIXES, TIFF_SUFFIXES, find_planes
from napari_swinfusion.io.tiff import stack_name
from napari_swinfusion.pipeline import Source, as_stack

REFERENCE_ROLES, PAINTED_ROLES, OTHER_ROLES = ("reference", "truth", "gt"), ("painted",), ("depth", "decision", "fused")
_COMPARED, _THUMBNAIL = 5, 32  # Images of a folder that are looked at to tell how it is laid out, and their side, px.
_ROLE = re.compile(r"[-_ ](" + "|".join((*REFERENCE_ROLES, *PAINTED_ROLES, *OTHER_ROLES, "stack")) + r")$", re.I)
# What tells planes apart: a number, with or without a letter before it, or the sides of a pair.
_PLANE = re.compile(r"(?:[-_ ](?:a|b|near|far|left|right)|[-_ ]?[a-z]{0,5}\d+)$", re.I)


@dataclass(frozen=True, kw_only=True)
class Example:
    """A stack to learn from.

    Attributes
    ----------
    stack
        At least two planes.
    reference
        `(y, x)` or with a last axis of colours: the sharp image, in any linear scale of grey; or None.
    painted
        Integers `(y, x)`: 0 where nothing is painted, k where plane k (counted from 1) is the right one; or None.
        That is a napari labels layer.
    files
        What the stack was read from, or empty.
    """

    stack: FocalStack
    reference: NDArray[Any] | None = None
    painted: NDArray[Any] | None = None
    files: tuple[Path, ...] = ()

    @property
    def name(self) -> str:
        """Name of the stack."""
        return self.stack.name


@dataclass(frozen=True)
class Problem:
    """Why something given cannot be trained on, in one sentence, and the files it is about."""

    text: str
    files: tuple[Path, ...] = ()


Data = Source | Example | Sequence[Any]


def collect(data: Data) -> tuple[list[Example], list[Problem]]:
    """Return the examples in what was given, and what is wrong with the rest.

    Parameters
    ----------
    data
        A stack (as for `fuse`: an array, a `FocalStack`, a file), an `Example`, a folder of any of the forms in this
        module's text, or a list of these, each a stack of its own.
    """
    if isinstance(data, Example):
        return [data], []
    if isinstance(data, (str, Path)) and Path(data).is_dir():
        return find_examples(Path(data))
    if isinstance(data, (list, tuple)):
        found = [collect(item) for item in data]
        return [example for part, _ in found for example in part], [wrong for _, part in found for wrong in part]
    try:
        return [Example(stack=as_stack(data), files=(Path(data),) if isinstance(data, (str, Path)) else ())], []
    except SwinFusionError as error:
        return [], [Problem(str(error), (Path(data),) if isinstance(data, (str, Path)) else ())]


def find_examples(folder: Path) -> tuple[list[Example], list[Problem]]:
    """Return the examples of a folder in natural order, and what could not be used."""
    examples: list[Example] = []
    problems: list[Problem] = []
    parts: dict[str, dict[str, Path]] = defaultdict(dict)
    images: list[Path] = []
    subfolders: list[Path] = []
    for path in sorted(folder.iterdir(), key=natural_key):
        if path.name.startswith(".") or (not path.is_dir() and path.suffix.casefold() not in PLANE_SUFFIXES):
            continue
        role = _ROLE.search(stack_name(path))
        if path.is_dir() and path.name.casefold() in (*REFERENCE_ROLES, *PAINTED_ROLES, *OTHER_ROLES):
            for name, image in _images(path).items():
                parts[name][path.name.casefold()] = image
        elif path.is_dir():
            subfolders.append(path)
        elif role and role[1].casefold() != "stack":
            parts[stack_name(path)[: role.start()]][role[1].casefold()] = path
        else:
            images.append(path)
    for alike in _sharing_names(subfolders):
        if _is_one_folder_a_focus(alike):
            _add_across(examples, problems, alike)
        else:
            for path in alike:
                _add(examples, problems, (path,), path)
    groups: dict[str, list[Path]] = defaultdict(list)
    for path in images:
        if path.suffix.casefold() in TIFF_SUFFIXES and _is_stack(path):
            _add(examples, problems, (path,), path)
        else:
            groups[_PLANE.sub("", stack_name(path))].append(path)
    if len(groups) > 1 and all(len(group) == 1 for group in groups.values()) and not examples:
        # No two names alike, as in near.tif and far.tif: the folder is one stack.
        groups = {folder.name: [path for group in groups.values() for path in group]}
    for name, group in groups.items():
        if len(group) < 2:
            text = f"{group[0].name} is a single plane without partners (names that differ in the last part only)."
            problems.append(Problem(text, tuple(group)))
        else:
            _add(examples, problems, tuple(group), group, name=name or folder.name)
    return _with_parts(examples, parts, problems), problems


def _add(
    examples: list[Example],
    problems: list[Problem],
    files: tuple[Path, ...],
    source: Path | Sequence[Path],
    name: str | None = None,
) -> None:
    if isinstance(source, Path) and source.is_dir():
        try:
            find_planes(source)
        except LoadError:
            # A folder without images is no business of ours.
            return
        except InputError as error:
            problems.append(Problem(str(error), files))
            return
    try:
        stack = as_stack(source)
    except SwinFusionError as error:
        problems.append(Problem(str(error), files))
        return
    plain = name or _ROLE.sub("", stack.name)
    examples.append(Example(stack=replace(stack, name=plain), files=files))


def _images(folder: Path) -> dict[str, Path]:
    """Return the images of a folder by name without ending."""
    return {stack_name(path): path for path in sorted(folder.iterdir(), key=natural_key) if is_image(path)}


def _sharing_names(folders: Sequence[Path]) -> list[list[Path]]:
    """Return the folders in groups; those of a group share names of images."""
    groups: list[tuple[set[str], list[Path]]] = []
    for folder in folders:
        names = set(_images(folder))
        for known, group in groups:
            if known & names:
                known |= names
                group.append(folder)
                break
        else:
            groups.append((names, [folder]))
    return [group for _, group in groups]


def _is_one_folder_a_focus(folders: Sequence[Path]) -> bool:
    """Tell whether images of one name resemble each other more than those of one folder do."""
    found = [_images(folder) for folder in folders]
    shared = set.intersection(*(set(images) for images in found))
    if len(folders) == 1 or not shared:
        return False
    looked = [sorted(images, key=lambda name: name not in shared)[:_COMPARED] for images in found]
    try:
        rows = [[_thumbnail(images[name]) for name in names] for images, names in zip(found, looked, strict=True)]
    except SwinFusionError:
        # What is wrong with it is told when it is read as the plane it may be.
        return False
    columns = list(zip(*rows, strict=False))[: len(shared)]
    across = [one @ other for column in columns for one, other in pairwise(column)]
    within = [one @ other for row in rows for one, other in pairwise(row)]
    return not within or float(np.mean(across)) > float(np.mean(within))


def _thumbnail(path: Path) -> NDArray[np.float64]:
    """Return a small grey image as a vector of length 1 around 0; the product of two is their correlation."""
    if _is_stack(path):
        raise InputError(f"{path.name} is no single plane.")
    image = read_image(path)
    grey = Image.fromarray((image.mean(axis=-1) if image.ndim == 3 else image).astype(np.float32))
    small = np.array(grey.resize((_THUMBNAIL, _THUMBNAIL), Image.Resampling.BOX), np.float64).ravel()
    small -= small.mean()
    return small / max(float(np.linalg.norm(small)), 1e-9)


def _add_across(examples: list[Example], problems: list[Problem], folders: Sequence[Path]) -> None:
    """Add an example for each name of the images in `folders`."""
    found = {folder: _images(folder) for folder in folders}
    for name in dict.fromkeys(name for images in found.values() for name in images):
        planes = tuple(images[name] for images in found.values() if name in images)
        if len(planes) == len(found):
            _add(examples, problems, planes, planes, name=name)
        else:
            lacking = ", ".join(folder.name for folder in folders if name not in found[folder])
            problems.append(Problem(f"{planes[0].name} is in {planes[0].parent.name}, but not in {lacking}.", planes))


def _is_stack(path: Path) -> bool:
    try:
        return read_stack(path).n_planes > 1
    except AxesError:
        return False
    except SwinFusionError:
        # What is wrong with it is told when it is read as the stack it may be.
        return True


def _with_parts(examples: list[Example], parts: dict[str, dict[str, Path]], problems: list[Problem]) -> list[Example]:
    """Return the examples with the references and painted maps that bear their names."""
    named = {example.name: example for example in examples}
    for name, roles in parts.items():
        wanted = {role: path for role, path in roles.items() if role not in OTHER_ROLES}
        if name not in named:
            lonely = tuple(wanted.values())
            if lonely:
                problems.append(Problem(f"{lonely[0].name} belongs to no stack called '{name}'.", lonely))
            continue
        for role, path in wanted.items():
            part = "reference" if role in REFERENCE_ROLES else "painted"
            try:
                named[name] = attach(named[name], part, read_image(path), path)
            except SwinFusionError as error:
                problems.append(Problem(str(error), (path,)))
    return [named[example.name] for example in examples]


def attach(example: Example, part: str, image: NDArray[Any], path: Path | None = None) -> Example:
    """Return the example with a "reference" or a "painted" map.

    Raises
    ------
    InputError
        If the image does not fit the stack.
    """
    size = (example.stack.height, example.stack.width)
    label = path.name if path else f"The {part} image"
    if image.shape[:2] != size:
        raise InputError(f"{label} is {image.shape[:2]} px, but '{example.name}' is {size} px; they have to match.")
    if part == "painted" and (image.dtype.kind not in "ui" or image.ndim != 2):
        raise InputError(f"{label} holds {image.dtype} {image.shape}; a painted map holds plane numbers (y, x).")
    if part == "painted" and not 0 <= image.min() <= image.max() <= example.stack.n_planes:
        raise InputError(
            f"{label} names plane {image.max()}, but '{example.name}' has planes 1 to {example.stack.n_planes} "
            "(0 is unpainted)."
        )
    return replace(example, painted=image) if part == "painted" else replace(example, reference=image)


def read_image(path: Path) -> NDArray[Any]:
    """Return one image `(y, x)` or `(y, x, samples)` of a file."""
    image = read_stack(path).read(plane=0)[0]
    return image[0] if len(image) == 1 else np.moveaxis(image, 0, -1)
