"""Read a foreign checkpoint without running anything that stands in it."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from napari_swinfusion.errors import ModelError

# What training scripts leave beside the numbers and what can do no harm: their options, and numpy numbers.
_HARMLESS: list[Any] = [
    argparse.Namespace,
    np.ndarray,
    np.dtype,
    *(type(np.dtype(kind)) for kind in (np.float64, np.float32, np.int64, np.int32, np.bool_, np.uint8)),
    # The functions that numpy's own pickles name; older ones name them by an older path.
    *(
        (number.__reduce__()[0], f"numpy.{core}.multiarray.{name}")
        for number, name in ((np.float64(0), "scalar"), (np.zeros(1), "_reconstruct"))
        for core in ("core", "_core")
    ),
]

# Where the numbers lie in a checkpoint; the first that is there is taken.
_HOLDERS = ("params_ema", "params", "state_dict")


def read_checkpoint(path: Path) -> tuple[dict[str, Tensor], str | None]:
    """Return the float tensors and buffers of a `.pt`, `.pth` or `.safetensors` file, without `module.` before names.

    Returns
    -------
    The tensors by name, and the key they lay under; None where the file holds nothing else.

    Raises
    ------
    ModelError
        If the file is missing, is damaged, holds more than numbers, or holds numbers that are not finite.
    """
    if not path.is_file():
        raise ModelError(f"There is no file '{path}'.")
    content = _load(path)
    holder = next((key for key in _HOLDERS if isinstance(content.get(key), Mapping)), None)
    found = content if holder is None else content[holder]
    tensors = {str(name).removeprefix("module."): value for name, value in found.items() if isinstance(value, Tensor)}
    if not tensors:
        raise ModelError(f"'{path}' holds no weights; they are looked for at its top and under {', '.join(_HOLDERS)}.")
    broken = [name for name, tensor in tensors.items() if not torch.isfinite(tensor).all()]
    if broken:
        raise ModelError(f"'{path}' holds numbers that are not finite, in {broken[0]}; it is damaged.")
    return tensors, holder


def _load(path: Path) -> Mapping[str, Any]:
    damaged = f"'{path}' is damaged or not a checkpoint; get the file again, and check its size."
    if path.suffix == ".safetensors":
        try:
            return load_file(path)
        except (SafetensorError, OSError) as error:
            raise ModelError(damaged) from error
    try:
        with torch.serialization.safe_globals(_HARMLESS):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        # A damaged file fails in more ways than can be listed; torch's own text advises to trust it, and is not shown.
        foreign = re.search(r"GLOBAL ([\w.]+)", str(error))
        if foreign is not None:
            raise ModelError(
                f"'{path}' is not a safe checkpoint: beside numbers it holds '{foreign[1]}', which could run code; "
                "ask its author for a .safetensors file."
            ) from None
        raise ModelError(damaged) from None
    if not isinstance(content, Mapping):
        raise ModelError(damaged)
    return content
