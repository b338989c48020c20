"""Read one TIFF, OME-TIFF or ImageJ TIFF as a focal stack, and never hand on fewer planes than it should hold.

tifffile fills missing planes with zeros and tells damage only to its log; both are caught here.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import psutil
import tifffile
from numpy.typing import NDArray

from napari_swinfusion.errors import AxesError, InputError, LoadError
from napari_swinfusion.focal_stack import AXES, FocalStack, check_axes, collapse_equal_samples
from napari_swinfusion.io.damage import damage_as_load_error
from napari_swinfusion.io.metadata import read_metadata, read_ome

LAZY_BYTES = 256 * 2**20
"""Uncompressed data of at least this size is mapped, not read."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Content:
    """The images of a file that make up one stack.

    `series` are one, or several equal ones that are a plane each; `index` is the place of the first in the file;
    `axes` and `shape` spell them together.
    Of `declared` planes (pages) the file lists `listed` and holds the bytes of `whole`.
    """

    series: tuple[tifffile.TiffPageSeries, ...]
    index: int
    axes: str
    shape: tuple[int, ...]
    listed: int
    whole: int
    declared: int
    notices: tuple[str, ...]


def read_tiff(
    path: Path, *, axes: str | None = None, allow_missing: bool = False, as_plane: bool = False
) -> FocalStack:
    """Read a TIFF as a focal stack; one without a focus axis becomes a stack of one plane.

    Parameters
    ----------
    axes
        What the dimensions are, where the file does not say or says wrong.
    allow_missing
        Take the planes that are whole where others are cut off or missing.
    as_plane
        The file is one plane of a stack: channels without a focus axis are then no riddle.

    Raises
    ------
    LoadError
        If the file is no TIFF, is cut off or damaged, or lacks planes.
    AxesError
        If nothing says which axis is the focus.
    InputError
        If its images differ in size or type.
    """
    with damage_as_load_error(path), _tifffile_log() as errors, _open(path) as tif:
        len(tif.pages)  # Walks the whole chain of pages, so that a break in it is logged whatever the metadata says.
        ome_fault = _drop_senseless_ome(tif)
        content = _content(path, tif, as_plane)
        incomplete = bool(errors) or min(content.listed, content.whole) < content.declared
        if incomplete and not allow_missing:
            raise LoadError(_incomplete_message(path, content))
        if 0 in content.shape:
            raise InputError(f"{path.name} has no planes (shape {content.shape}); save it again from its source.")
        spelled, axes_notices = _name_axes(path, content, axes, as_plane=as_plane)
        if incomplete:
            spelled, data = _read_whole_planes(path, tif, content, spelled)
        else:
            data = _read(path, content)
        metadata = read_metadata(tif)
    notices = [*content.notices, *axes_notices]
    if ome_fault:
        lost = f"The OME metadata of {path.name} is broken ({ome_fault}) and left out"
        notices.append(f"{lost}; axes {spelled} {data.shape} are taken from the pages.")
    if incomplete:
        notices.append(f"{path.name} is incomplete; {len(data)} of {content.declared} planes were read.")
    if "Z" not in spelled:
        data, spelled = data[np.newaxis], f"Z{spelled}"
    stack = FocalStack(data=data, axes=spelled, name=stack_name(path), source=str(path), notices=tuple(notices))
    if len(metadata.channel_names) != stack.size("C"):
        metadata = replace(metadata, channel_names=())
    return collapse_equal_samples(replace(stack, metadata=metadata))


def stack_height(path: Path) -> float | None:
    """Return the stage height stored in a single-plane OME-TIFF, as the file gives it, or None."""
    with damage_as_load_error(path), _tifffile_log(), _open(path) as tif:
        facts = read_ome(tif.ome_metadata)
    return facts.positions[0] if facts and len(facts.positions) == 1 else None


def stack_name(path: Path) -> str:
    """Return the file name without its endings, `.ome.tif` counting as one."""
    return path.stem.removesuffix(".ome")


def _open(path: Path) -> tifffile.TiffFile:
    try:
        return tifffile.TiffFile(path)
    except OSError:
        raise
    except Exception as error:  # Not only TiffFileError: a header of two bytes is a struct.error.
        raise LoadError(
            f"{path.name} is not a TIFF file or is damaged at its start ({error}); "
            "check what it is, or export it again as TIFF."
        ) from error


class _Collector(logging.Handler):
    """Keeps what tifffile logs as an error in this thread; the rest stays out of the user's sight."""

    def __init__(self) -> None:
        super().__init__()
        self.errors: list[str] = []
        self._thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep errors, and hand everything to this package's log."""
        if record.thread != self._thread:
            return
        if record.levelno >= logging.ERROR:
            self.errors.append(record.getMessage())
        _log.info("%s", record.getMessage())


@contextmanager
def _tifffile_log() -> Iterator[list[str]]:
    collector = _Collector()
    tifffile.logger().addHandler(collector)
    try:
        yield collector.errors
    finally:
        tifffile.logger().removeHandler(collector)


def _drop_senseless_ome(tif: tifffile.TiffFile) -> str | None:
    """Leave OME-XML that cannot be used out of `tif`, and return what is wrong: labels are lost then, not pixels."""
    if not tif.is_ome:
        return None
    try:
        ElementTree.fromstring(tif.ome_metadata or "")
        len(tif.series)
    except Exception as error:  # tifffile trusts the XML and raises whatever a missing or odd attribute leads to.
        tif.is_ome = False
        return f"{type(error).__name__}: {error}"
    return None


def _content(path: Path, tif: tifffile.TiffFile, as_plane: bool) -> _Content:
    """Choose the images of the file that are the stack."""
    series = tuple(one for one in tif.series if not one.keyframe.is_reduced) or tuple(tif.series)
    if not series:
        raise LoadError(f"{path.name} holds no image; export it again as TIFF.")
    first = series[0]
    index = tif.series.index(first)
    notices: tuple[str, ...] = ()
    if len(series) > 1 and set(first.axes) <= set("CYXS"):
        kinds = [f"{one.shape} {one.dtype}" for one in series]
        if len(set(kinds)) > 1:
            listing = "; ".join(f"image {i}: {kind}" for i, kind in enumerate(kinds))
            raise InputError(f"The images in {path.name} differ in size or type ({listing}); save one stack a file.")
        notices = (f"{path.name} holds {len(series)} separate images of one size, taken as focal planes in order.",)
        counts = zip(*(_count(path, tif, one, as_plane) for one in series), strict=True)
        listed, whole, declared = (sum(count) for count in counts)
        return _Content(series, index, f"Z{first.axes}", (len(series), *first.shape), listed, whole, declared, notices)
    if len(series) > 1:
        notices = (f"{path.name} holds {len(series)} images; only the first, {first.axes} {first.shape}, is read.",)
    return _Content((first,), index, first.axes, first.shape, *_count(path, tif, first, as_plane), notices)


def _count(path: Path, tif: tifffile.TiffFile, series: tifffile.TiffPageSeries, as_plane: bool) -> tuple[int, int, int]:
    """Return how many planes of `series` the file lists, holds whole, and should hold."""
    plane = series.keyframe
    if plane.nbytes == 0:
        return 0, 0, 0
    listed = series.size // plane.size
    declared = max(listed, (tif.imagej_metadata or {}).get("images", 1))
    if series.dataoffset is None:
        whole = sum(_is_whole(page) for page in series.pages)
        return listed, whole, declared
    room = (path.stat().st_size - series.dataoffset) // plane.nbytes
    if declared == len(tif.pages) == 1 and not as_plane:
        declared = max(_planes_nobody_lists(path, plane, series.dataoffset), 1)
    return listed, min(declared, room), declared


def _planes_nobody_lists(path: Path, plane: tifffile.TiffPage, start: int) -> int:
    """Return how many planes fit between `start` and whatever comes next in a file of one page.

    A writer that was killed leaves planes behind the first one, but no pages that point to them.
    """
    known = [plane.offset, *(plane.subifds or ()), *(tag.valueoffset for tag in plane.tags)]
    end = min((place for place in known if place > start), default=path.stat().st_size)
    return (end - start) // plane.nbytes


def _is_whole(page: tifffile.TiffPage | tifffile.TiffFrame | None) -> bool:
    """Whether all segments of a page lie inside its file."""
    if page is None:
        return False
    end = page.parent.filehandle.size
    return all(offset + count <= end for offset, count in zip(page.dataoffsets, page.databytecounts, strict=False))


def _incomplete_message(path: Path, content: _Content) -> str:
    whole, declared = content.whole, content.declared
    if whole < declared:
        what = f"is cut off: {declared - whole} of {declared} planes are missing, {whole} readable"
    elif content.listed < declared:
        what = f"lists {content.listed} of the {declared} planes it holds, so its writer was probably interrupted"
    else:
        what = f"is cut off or damaged; {whole} planes are readable"
    return f"{path.name} {what}. Get the whole file, or read what is there with --allow-missing (allow_missing=True)."


def _name_axes(path: Path, content: _Content, given: str | None, *, as_plane: bool) -> tuple[str, tuple[str, ...]]:
    """Return one letter of `AXES` for each dimension, and what was assumed for it."""
    axes, shape = content.axes, content.shape
    if given:
        check_axes(given, shape, required="YX")
        said = f"Axes {given} were given; {path.name} says {axes}."
        return given, (said,) if given != axes else ()
    sizes = f"axes {axes} {shape}"
    how = "say what they are with --axes (axes=...), for example ZYX"
    unnamed = [axis for axis in axes if axis in "IQ"]
    if "Z" not in axes and len(unnamed) == 1 and not as_plane:
        count = shape[axes.index(unnamed[0])]
        taken = f"The {count} planes of {path.name} carry no label; they are taken as focal planes."
        return axes.replace(unnamed[0], "Z"), (taken,)
    if set(axes) - set(AXES) or len(set(axes)) < len(axes):
        raise AxesError(f"{path.name} has {sizes}, of which some are unknown; {how}.")
    if "Z" not in axes and not as_plane:
        if axes == "SYX":
            raise AxesError(f"{path.name} has {sizes}: slices, or one RGB image? For slices, say --axes ZYX.")
        if {"C", "T"} & set(axes):
            raise AxesError(f"{path.name} has {sizes} and no focus axis; if one of them is the focus, {how}.")
    return axes, ()


def _read(path: Path, content: _Content) -> NDArray[Any]:
    """Return all pixels, mapped where they are large and lie in one piece."""
    first = content.series[0]
    nbytes = sum(one.nbytes for one in content.series)
    one_piece = len(content.series) == 1 and first.dataoffset is not None and first.keyframe.is_memmappable
    if one_piece and nbytes >= LAZY_BYTES:
        return np.asanyarray(tifffile.memmap(path, series=content.index, mode="r"))
    available = psutil.virtual_memory().available
    if nbytes > available:
        raise LoadError(
            f"{path.name} unpacks to {nbytes / 1e9:.1f} GB, but only {available / 1e9:.1f} GB of memory are free; "
            "save it uncompressed (it is then read piece by piece) or crop it."
        )
    if len(content.series) == 1:
        return np.asarray(first.asarray())
    return np.stack([one.asarray() for one in content.series])


def _read_whole_planes(path: Path, tif: tifffile.TiffFile, content: _Content, axes: str) -> tuple[str, NDArray[Any]]:
    """Return the planes that are whole and their axes, where pages and focal planes are one and the same."""
    first = content.series[0]
    plane = first.keyframe
    focus = axes.strip("YXS")
    if focus not in ("", "Z") or content.whole == 0:
        raise LoadError(f"{path.name} is incomplete, and which of its planes (axes {axes}) are whole cannot be told.")
    if len(content.series) == 1 and first.dataoffset is not None:
        dtype = np.dtype(first.dtype).newbyteorder(tif.byteorder)
        mapped = np.memmap(path, dtype, "r", first.dataoffset, (content.whole, *plane.shape))
        return f"Z{axes.removeprefix('Z')}", np.array(mapped)
    pages = (page for one in content.series for page in one.pages)
    return f"Z{axes.removeprefix('Z')}", np.stack([page.asarray() for page in pages if page and _is_whole(page)])
