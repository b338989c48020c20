"""Write results as OME-TIFF, whole or not at all: never over an input, never half a file under the final name."""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_swinfusion import __version__
from napari_swinfusion.errors import DiskFullError, InputError, LoadError, OutputExistsError, SaveError, SwinFusionError
from napari_swinfusion.focal_stack import FocalStack, FusedImage, SpatialMetadata
from napari_swinfusion.io.metadata import micrometres, seconds
from napari_swinfusion.io.plane_folder import TIFF_SUFFIXES, find_planes

BIGTIFF_BYTES = 2**31 - 2**20
"""Files that may grow beyond this size are BigTIFF: many readers count offsets in 31 bits."""

_ORDER = "TZCYXS"
_HEADROOM = 2**17  # Bytes of headers beside the pixels.
_REPLACE_SECONDS = 2.0
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_BEYOND_OME = ("float16", "int64", "uint64")


@dataclass(frozen=True, kw_only=True)
class _Output:
    """One TIFF to be: `pages` yields `(Y, X)` or `(Y, X, S)` arrays in the order of `axes` and `shape`."""

    path: Path
    pages: Iterator[NDArray[Any]]
    axes: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    name: str
    metadata: SpatialMetadata
    provenance: dict[str, Any]

    @property
    def nbytes(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize + _HEADROOM


def write_fused(
    result: FusedImage,
    image: Path,
    *,
    decision: Path | None = None,
    confidence: Path | None = None,
    depth: Path | None = None,
    overwrite: bool = False,
    inputs: Sequence[Path] = (),
) -> list[Path]:
    """Write a fused image, and its maps where paths are given, as OME-TIFF; all of them or none.

    Scale, units and channel names go into the OME-XML, the provenance as JSON into its description.

    Parameters
    ----------
    overwrite
        Replace existing files.
    inputs
        Files and folders the result was made from; never overwritten, whatever `overwrite` says.

    Raises
    ------
    OutputExistsError
        If a file exists and may not be replaced, or is an input.
    DiskFullError
        If the disk has too little room.
    SaveError
        If the folder is absent or not writable.
    """
    maps = [
        (decision, result.decision, "decision"),
        (confidence, result.confidence, "confidence"),
        (depth, result.depth, "depth"),
    ]
    wanted = [(path, array, result.decision_axes, role) for path, array, role in maps if path is not None]
    wanted.insert(0, (image, result.image, result.axes, "fused"))
    targets = check_outputs([path for path, *_ in wanted], inputs=inputs, overwrite=overwrite)
    outputs = []
    for target, (_, array, axes, role) in zip(targets, wanted, strict=True):
        order = [axes.index(axis) for axis in _ORDER if axis in axes]
        ordered = array.transpose(order)
        spelled = "".join(axes[index] for index in order)
        page_shape = ordered.shape[spelled.index("Y") :]
        outputs.append(
            _Output(
                path=target,
                pages=iter(ordered.reshape(-1, *page_shape)),
                axes=spelled,
                shape=ordered.shape,
                dtype=ordered.dtype,
                name=f"{result.name} [{role}]",
                metadata=result.metadata,
                provenance=result.provenance,
            )
        )
    return _write_all(outputs, overwrite=overwrite)


def write_stack(stack: FocalStack, path: Path, *, overwrite: bool = False) -> Path:
    """Write a whole stack as OME-TIFF, plane by plane.

    Raises
    ------
    OutputExistsError, DiskFullError, SaveError
        As `write_fused`.
    """
    inputs = [Path(stack.source)] if stack.source else []
    (target,) = check_outputs([path], inputs=inputs, overwrite=overwrite)
    axes = "".join(axis for axis in _ORDER if axis in stack.axes)
    output = _Output(
        path=target,
        pages=_pages(stack),
        axes=axes,
        shape=tuple(stack.size(axis) for axis in axes),
        dtype=stack.dtype,
        name=stack.name,
        metadata=stack.metadata,
        provenance={"version": __version__, "notices": list(stack.notices)},
    )
    return _write_all([output], overwrite=overwrite)[0]


def write_text(path: Path, text: str) -> Path:
    """Write a text file, UTF-8, whole or not at all; one that is there is replaced."""
    return write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, content: bytes) -> Path:
    """Write a file whole or not at all; one that is there is replaced."""
    partial = path.with_name(f".swinfusion-{secrets.token_hex(6)}.partial")
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        _replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    return path


def read_provenance(path: str | Path) -> dict[str, Any]:
    """Return the provenance that `write_fused` or `write_stack` left in a file.

    Raises
    ------
    LoadError
        If the file is no TIFF or carries none.
    """
    try:
        with tifffile.TiffFile(path) as tif:
            shaped = tif.shaped_metadata
            text = _ome_description(tif.ome_metadata) if tif.ome_metadata else None
        found = json.loads(text) if text else dict(shaped[0])["provenance"] if shaped else None
    except (OSError, ValueError, KeyError, SyntaxError, tifffile.TiffFileError) as error:
        raise LoadError(f"{path} carries no provenance of this program ({error}).") from error
    if not isinstance(found, dict):
        raise LoadError(f"{path} carries no provenance of this program.")
    return found


def check_outputs(
    paths: Sequence[Path],
    *,
    inputs: Sequence[Path] = (),
    overwrite: bool = False,
    suffixes: Sequence[str] = TIFF_SUFFIXES,
) -> list[Path]:
    """Return `paths` with links resolved, or raise before any work is done for nothing.

    Raises
    ------
    OutputExistsError
        If a path exists and may not be replaced, or is an input.
    InputError
        If a name does not end in one of `suffixes`, or two outputs are the same.
    SaveError
        If a folder is absent.
    """
    resolved = [Path(path).resolve() for path in paths]
    if len({os.path.normcase(path) for path in resolved}) < len(resolved):
        raise InputError("Two outputs have the same name; give each its own.")
    sources = list(_input_files(inputs))
    for path in resolved:
        if path.suffix.casefold() not in suffixes:
            kind, ending = (
                ("OME-TIFF", ".ome.tif") if suffixes == TIFF_SUFFIXES else (suffixes[0][1:].upper(), suffixes[0])
            )
            raise InputError(f"Results are written as {kind}; name {path.name} for example {path.stem}{ending}.")
        if not path.parent.is_dir():
            raise SaveError(f"There is no folder {path.parent}; make it first, or choose another place.")
        if any(_same_file(path, source) for source in sources):
            raise OutputExistsError(f"{path} is an input, which is never overwritten; choose another name.")
        if path.is_dir() or (path.exists() and not overwrite):
            raise OutputExistsError(
                f"{path} exists already; write to {free_name(path).name}, "
                "which is free, or replace it with --overwrite (overwrite=True)."
            )
    return resolved


def free_name(path: Path) -> Path:
    """Return `path`, or the first of path-2, path-3 … that does not exist."""
    stem = path.name.removesuffix("".join(_endings(path)))
    number, candidate = 2, path
    while candidate.exists():
        candidate = path.with_name(f"{stem}-{number}{''.join(_endings(path))}")
        number += 1
    return candidate


def _endings(path: Path) -> list[str]:
    return path.suffixes[-2:] if path.suffixes[-2:-1] == [".ome"] else path.suffixes[-1:]


def _input_files(inputs: Sequence[Path]) -> Iterator[Path]:
    for path in map(Path, inputs):
        if path.is_dir():
            try:
                yield from find_planes(path)[0]
            except (InputError, LoadError):
                # Which files are the planes is unclear: guard them all.
                yield from path.iterdir()
        else:
            yield path


def _same_file(a: Path, b: Path) -> bool:
    try:
        return a.samefile(b)  # Sees through links and through names that differ in case only, where the disk does.
    except OSError:
        return os.path.normcase(a.resolve()) == os.path.normcase(b.resolve())


def _pages(stack: FocalStack) -> Iterator[NDArray[Any]]:
    """Yield the pages of `stack` in the order of `_ORDER`, reading one plane at a time."""
    for time_point in range(stack.n_times):
        for plane in range(stack.n_planes):
            values = stack.read(time_point, plane=plane)[0]
            values = values.reshape(stack.size("C"), stack.size("S"), *values.shape[1:])
            for channel in values:
                yield np.moveaxis(channel, 0, -1) if "S" in stack.axes else channel[0]


def _write_all(outputs: Sequence[_Output], *, overwrite: bool) -> list[Path]:
    """Stage every output beside its place, then move them all in."""
    with _os_errors_named(outputs):
        _check_room(outputs)
        staged: list[tuple[Path, Path]] = []
        try:
            for output in outputs:
                # A short name of its own: the final one may already be as long as the disk allows.
                partial = output.path.with_name(f".swinfusion-{secrets.token_hex(6)}.partial")
                staged.append((partial, output.path))
                _write_tiff(output, partial)
            for partial, path in staged:
                if path.exists() and not overwrite:
                    raise OutputExistsError(f"{path} has appeared meanwhile; choose another name.")
                _replace(partial, path)
        finally:
            for partial, _ in staged:
                partial.unlink(missing_ok=True)
        for folder in {output.path.parent for output in outputs}:
            _sync_folder(folder)
    return [output.path for output in outputs]


@contextmanager
def _os_errors_named(outputs: Sequence[_Output]) -> Iterator[None]:
    """Turn what the system says about disks and permissions into one sentence."""
    folder = outputs[0].path.parent
    try:
        yield
    except SwinFusionError:
        raise
    except OSError as error:
        # numpy tells a short write without an error number.
        if error.errno in _FULL or error.errno is None:
            raise DiskFullError(_room_message(outputs, folder)) from error
        raise SaveError(
            f"{outputs[0].path} cannot be written ({error.strerror or error}); check the folder's permissions."
        ) from error


def _check_room(outputs: Sequence[_Output]) -> None:
    for folder in {output.path.parent for output in outputs}:
        needed = sum(output.nbytes for output in outputs if output.path.parent == folder)
        if shutil.disk_usage(folder).free < needed:
            raise DiskFullError(_room_message(outputs, folder))


def _room_message(outputs: Sequence[_Output], folder: Path) -> str:
    needed = sum(output.nbytes for output in outputs if output.path.parent == folder)
    free = shutil.disk_usage(folder).free
    return (
        f"The disk of {folder} has too little room: {needed / 1e6:.1f} MB needed, {free / 1e6:.1f} MB free; "
        "nothing was written. Free some, lift the limit, or choose another place."
    )


def _write_tiff(output: _Output, partial: Path) -> None:
    samples = output.shape[-1] if output.axes.endswith("S") else 1
    is_rgb = samples in (3, 4)
    options: dict[str, Any] = {"photometric": "rgb" if is_rgb else "minisblack"}
    if samples > 1:
        options |= {"planarconfig": "contig", "extrasamples": ["unassalpha"] * (samples - (3 if is_rgb else 1))}
    if output.metadata.pixel_size:
        sizes = [micrometres(size, output.metadata.unit) for size in output.metadata.pixel_size]
        if all(sizes):
            y, x = (1e4 / size for size in sizes if size)
            options |= {"resolution": (x, y), "resolutionunit": "CENTIMETER"}
    ome = output.dtype.name not in _BEYOND_OME
    described = _ome_fields(output) if ome else {"axes": output.axes, "provenance": output.provenance}
    with (
        partial.open("xb") as file,
        tifffile.TiffWriter(file, ome=ome, bigtiff=output.nbytes > BIGTIFF_BYTES) as writer,
    ):
        writer.write(output.pages, shape=output.shape, dtype=output.dtype, metadata=described, **options)
    with partial.open("rb+") as written:
        os.fsync(written.fileno())


def _ome_fields(output: _Output) -> dict[str, Any]:
    known = output.metadata
    sizes = dict(zip("YX", known.pixel_size or (None, None), strict=True)) | {"Z": known.z_step}
    fields: dict[str, Any] = {
        "axes": output.axes,
        "Name": output.name,
        "Description": json.dumps(output.provenance, ensure_ascii=False),
        "Creator": f"napari-swinfusion {__version__}",
        "UUID": str(uuid.uuid4()),
    }
    for axis, size in sizes.items():
        length = micrometres(size, known.unit)
        if length:
            fields |= {f"PhysicalSize{axis}": length, f"PhysicalSize{axis}Unit": "µm"}
    step = seconds(known.time_step, known.time_unit)
    if step:
        fields |= {"TimeIncrement": step, "TimeIncrementUnit": "s"}
    if known.channel_names and "C" in output.axes:
        fields["Channel"] = {"Name": list(known.channel_names)}
    return fields


def _ome_description(xml: str) -> str | None:
    from xml.etree import ElementTree

    return next((e.text for e in ElementTree.fromstring(xml).iter() if e.tag.endswith("}Description")), None)


def _replace(partial: Path, path: Path) -> None:
    """Move into place; on Windows a virus scanner or indexer may hold either file for a moment."""
    deadline, pause = time.monotonic() + _REPLACE_SECONDS, 0.05
    while True:
        try:
            os.replace(partial, path)
            return
        except PermissionError:
            if time.monotonic() + pause > deadline:
                raise
            time.sleep(pause)
            pause *= 2


def _sync_folder(folder: Path) -> None:
    """Make the new names last through a power loss, where the system can sync a folder."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
