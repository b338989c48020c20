"""Read focal stacks from files and write results, whole or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from napari_swinfusion.errors import InputError, LoadError
from napari_swinfusion.focal_stack import FocalStack
from napari_swinfusion.io.plane_folder import find_planes, is_image, natural_key, read_folder, read_planes
from napari_swinfusion.io.raster import RASTER_SUFFIXES, read_raster
from napari_swinfusion.io.tiff import read_tiff
from napari_swinfusion.io.write import check_outputs, free_name, read_provenance, write_fused, write_stack, write_text

__all__ = [
    "check_outputs",
    "find_planes",
    "free_name",
    "is_image",
    "natural_key",
    "read_provenance",
    "read_stack",
    "write_fused",
    "write_stack",
    "write_text",
]


def read_stack(
    source: str | Path | Sequence[str | Path], *, axes: str | None = None, allow_missing: bool = False
) -> FocalStack:
    """Read a focal stack from a TIFF, a folder of planes (tif, png, jpg; natural order) or a list of plane files.

    Parameters
    ----------
    axes
        Letters of "TCZYXS" that override what the files say.
    allow_missing
        Read the whole planes of a TIFF that is cut off, where otherwise that is an error.

    Raises
    ------
    LoadError
        If a file is missing, damaged or of an unknown kind.
    AxesError
        If the focus axis is not known, or `axes` contradicts the data.
    InputError
        If the planes differ in size or type, or are not told apart from other files.
    """
    if not isinstance(source, (str, Path)):
        return read_planes([Path(path) for path in source], axes=axes)
    path = Path(source)
    if not path.exists():
        raise LoadError(f"There is no file or folder {path}; check its name.")
    if path.suffix.casefold() == ".zarr":
        raise InputError(f"{path} is OME-Zarr, which is not read yet; export it as OME-TIFF.")
    if path.is_dir():
        return read_folder(path, axes=axes)
    if path.suffix.casefold() in RASTER_SUFFIXES:
        return read_raster(path)
    return read_tiff(path, axes=axes, allow_missing=allow_missing)
