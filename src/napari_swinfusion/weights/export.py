"""A model handed to others: as its own file, or as a package of the BioImage Model Zoo."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from napari_swinfusion.errors import InputError, OutputExistsError, SaveError
from napari_swinfusion.weights.catalogue import SUFFIX, find_model
from napari_swinfusion.weights.files import read_header

PACKAGE_SUFFIX = ".zip"


def export_model(
    model: str | Path,
    out: Path,
    *,
    authors: Sequence[str] = (),
    license: str | None = None,
    overwrite: bool = False,
) -> Path:
    """Write a model to `out`, whole or not at all.

    Parameters
    ----------
    model
        A name of `list_networks`, or the path of a model file.
    out
        `.safetensors` for a copy with all of its story, `.zip` for a bioimage.io package (extra `[bioimageio]`).
    authors, license
        For the package: names, and an SPDX identifier such as "CC-BY-4.0".

    Raises
    ------
    InputError
        If `out` has another ending.
    OutputExistsError
        If it exists and `overwrite` is not set.
    ModelError
        If there is no such model, or it is damaged.
    SaveError
        If it cannot be written.
    """
    path = find_model(model)
    read_header(path)
    if out.suffix not in (SUFFIX, PACKAGE_SUFFIX):
        raise InputError(f"'{out.name}' has to end with {SUFFIX} (a copy) or {PACKAGE_SUFFIX} (bioimage.io).")
    if out.exists() and not overwrite:
        raise OutputExistsError(f"{out} exists already; choose another name, or overwrite it.")
    partial = out.with_name(f".{out.stem}.{os.getpid()}.partial{out.suffix}")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        if out.suffix == SUFFIX:
            shutil.copyfile(path, partial)
        else:
            from napari_swinfusion.weights.bioimageio import write_package

            write_package(path, partial, name=out.stem, authors=authors, license=license)
        os.replace(partial, out)
    except OSError as error:
        raise SaveError(f"{out} cannot be written: {error.strerror or error}.") from error
    finally:
        partial.unlink(missing_ok=True)
    return out
