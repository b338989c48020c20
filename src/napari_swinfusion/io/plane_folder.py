"""Read a focal stack that lies as one file a plane, in a folder or in a list."""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from napari_swinfusion.errors import InputError, LoadError
from napari_swinfusion.focal_stack import FocalStack, SpatialMetadata, collapse_equal_samples
from napari_swinfusion.io.damage import damage_as_load_error
from napari_swinfusion.io.metadata import even_step
from napari_swinfusion.io.raster import RASTER_SUFFIXES, read_raster
from napari_swinfusion.io.tiff import read_tiff, stack_height, stack_name

TIFF_SUFFIXES = (".tif", ".tiff")
PLANE_SUFFIXES = (*TIFF_SUFFIXES, *RASTER_SUFFIXES)

_NUMBER = re.compile(r"(\d+)")


def natural_key(path: Path) -> tuple[tuple[int, int, str], ...]:
    """Return a sort key that counts: z2 before z10."""
    parts = _NUMBER.split(path.name.casefold())
    return tuple((0, int(part), part) if part.isdecimal() else (1, 0, part) for part in parts)


def find_planes(folder: Path) -> tuple[list[Path], tuple[str, ...]]:
    """Return the plane files of a folder in natural order, and a notice where others were left out.

    Planes are the largest family of images whose names differ in one number only.

    Raises
    ------
    LoadError
        If the folder cannot be listed or holds no images.
    InputError
        If it cannot be told which files are the planes.
    """
    with damage_as_load_error(folder):
        files = sorted((path for path in folder.iterdir() if is_image(path)), key=natural_key)
    if not files:
        raise LoadError(f"The folder {folder} holds no TIFF, PNG or JPEG files; give the folder of the planes.")
    families: dict[str, list[Path]] = defaultdict(list)
    for path in files:
        families[_NUMBER.sub("#", path.name.casefold())].append(path)
    ranked = sorted(families.values(), key=len, reverse=True)
    if len(ranked[0]) == 1:
        # No two names alike, as in near.tif and far.tif: every image is a plane.
        taken = ", ".join(path.name for path in files)
        return files, (f"The planes are taken in the order of their names: {taken}.",) if len(files) > 1 else ()
    if len(ranked) > 1 and len(ranked[0]) == len(ranked[1]):
        raise InputError(
            f"The folder {folder} holds {_span(ranked[0])} and {_span(ranked[1])}, as many of each; "
            "name the files of one stack instead of the folder."
        )
    planes = ranked[0]
    if not _is_one_series(planes):
        raise InputError(
            f"The names in {folder} ({_span(planes)}) count in more than one place, so they are more than one stack; "
            "name the files of one stack instead of the folder."
        )
    ignored = [path.name for path in files if path not in planes]
    notice = (
        f"{len(planes)} of {len(files)} images were taken as planes ({_span(planes)}); ignored: {', '.join(ignored)}."
    )
    return planes, (notice,) if ignored else ()


def read_folder(folder: Path, *, axes: str | None = None) -> FocalStack:
    """Read the planes of a folder as one stack.

    Raises
    ------
    LoadError, InputError
        As `find_planes` and `read_planes`.
    """
    planes, notices = find_planes(folder)
    stack = read_planes(planes, axes=axes)
    name = folder.resolve().name or stack.name
    return replace(stack, name=name, source=str(folder), notices=(*notices, *stack.notices))


def read_planes(paths: Sequence[Path], *, axes: str | None = None) -> FocalStack:
    """Read files of one plane each, in the given order, as one stack.

    `axes` spells one plane or, with a Z, the whole stack.

    Raises
    ------
    LoadError
        If a file is missing or damaged.
    InputError
        If there are no files, one holds several planes, or they differ in size or type.
    """
    if not paths:
        raise InputError("There are no planes to fuse; give at least two.")
    plane_axes = axes.replace("Z", "") if axes else None
    first = _read_plane(paths[0], plane_axes)
    z_axis = first.axes.index("Z")
    shape = list(first.data.shape)
    shape[z_axis] = len(paths)
    data = np.empty(shape, first.dtype)
    into = np.moveaxis(data, z_axis, 0)
    kinds = [_kind(first)]
    into[0] = np.moveaxis(np.asarray(first.data), z_axis, 0)[0]
    notices = dict.fromkeys(first.notices)
    for index, path in enumerate(paths[1:], start=1):
        plane = _read_plane(path, plane_axes)
        kinds.append(_kind(plane))
        if kinds[-1] == kinds[0]:
            into[index] = np.moveaxis(np.asarray(plane.data), z_axis, 0)[0]
        notices |= dict.fromkeys(plane.notices)
    _check_alike(paths, kinds)
    metadata, z_notices = _with_z_step(first.metadata, paths)
    stack = FocalStack(
        data=data,
        axes=first.axes,
        metadata=metadata,
        name=_common_name(paths),
        source=str(paths[0].parent) if len({path.parent for path in paths}) == 1 else None,
        notices=(*notices, *z_notices),
    )
    return collapse_equal_samples(stack)


def is_image(path: Path) -> bool:
    """Tell whether a path is a visible TIFF, PNG or JPEG file, by its name."""
    return path.suffix.casefold() in PLANE_SUFFIXES and not path.name.startswith(".") and path.is_file()


def _is_one_series(planes: Sequence[Path]) -> bool:
    """Whether one of the numbers in the names tells all planes apart."""
    columns = zip(*(map(int, _NUMBER.findall(path.name)) for path in planes), strict=True)
    return any(len(set(column)) == len(planes) for column in columns)


def _span(planes: Sequence[Path]) -> str:
    return f"{planes[0].name} … {planes[-1].name}"


def _read_plane(path: Path, axes: str | None) -> FocalStack:
    if path.is_dir():
        raise InputError(f"{path} is a folder; give either one folder or the files of its planes.")
    if path.suffix.casefold() in RASTER_SUFFIXES:
        plane = read_raster(path)
        if axes:
            plane = replace(plane, axes=f"Z{axes}")
    else:
        plane = read_tiff(path, axes=axes, as_plane=True)
    if plane.n_planes > 1:
        raise InputError(
            f"{path.name} holds {plane.n_planes} planes by itself; give it alone, or files of one plane each."
        )
    return plane


def _kind(plane: FocalStack) -> str:
    sizes = " × ".join(str(plane.size(axis)) for axis in plane.axes if axis != "Z")
    return f"{sizes} {plane.dtype}"


def _check_alike(paths: Sequence[Path], kinds: Sequence[str]) -> None:
    counts = Counter(kinds)
    if len(counts) == 1:
        return
    listing = "; ".join(
        f"{kind}: {', '.join(path.name for path, own in zip(paths, kinds, strict=True) if own == kind)}"
        if count <= 5
        else f"{kind}: {count} files"
        for kind, count in counts.most_common()
    )
    raise InputError(f"The planes differ in size or type ({listing}); crop, convert or leave out the odd ones.")


def _with_z_step(metadata: SpatialMetadata, paths: Sequence[Path]) -> tuple[SpatialMetadata, tuple[str, ...]]:
    """Return `metadata` with the z step that the stage heights of the files give, where they give one.

    Measured heights are trusted over a file's own z step, which in one-plane files often is the depth of field.
    """
    if paths[0].suffix.casefold() not in TIFF_SUFFIXES:
        return metadata, ()
    heights = [stack_height(path) for path in paths]
    step = even_step(tuple(height for height in heights if height is not None)) if None not in heights else None
    if step is None:
        return metadata, ()
    told = metadata.z_step
    if told is None or abs(told - step) <= 0.02 * step:
        return replace(metadata, z_step=step), ()
    notice = (
        f"The planes' stage heights are {step:.4g} µm apart, while the files say {told:.4g} µm; the heights are used."
    )
    return replace(metadata, z_step=step), (notice,)


def _common_name(paths: Sequence[Path]) -> str:
    # Character by character is meant: lytro-01-A and lytro-01-B are lytro-01.
    common = os.path.commonprefix([stack_name(path) for path in paths]).strip(" -_.")  # noqa: RUF071
    return common or stack_name(paths[0])
