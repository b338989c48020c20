"""Which processor a network runs on, and how to know that its memory ran out."""

from __future__ import annotations

import psutil
import torch

from napari_swinfusion.errors import InputError

# What the message of a RuntimeError says when it is really about memory; torch has a class of its own for CUDA alone.
_MEMORY_MESSAGES = ("out of memory", "can't allocate memory", "CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED")

# Features of one tile on CPU: at most so many bytes, and at most this share of the memory that is free, for a run takes
# more than features. Larger tiles spend less on halos; 40 planes of 1024 × 1024 are one tile.
_CPU_BYTES, _CPU_SHARE = 1280 * 2**20, 1 / 6


def choose_device(wanted: str) -> tuple[torch.device, str | None]:
    """Return the device for `wanted` and a notice where it is not what was asked for.

    Parameters
    ----------
    wanted
        "auto" (CUDA, else MPS, else CPU), or a torch device such as "cpu", "cuda", "cuda:1", "mps".

    Raises
    ------
    InputError
        If there is no such kind of device.
    """
    if wanted == "auto":
        return torch.device("cuda" if _has("cuda") else "mps" if _has("mps") else "cpu"), None
    try:
        device = torch.device(wanted)
    except RuntimeError as error:
        raise InputError(f"There is no device '{wanted}'; choose auto, cpu, cuda, cuda:1 or mps.") from error
    if device.type not in ("cpu", "cuda", "mps"):
        raise InputError(f"Networks do not run on '{wanted}'; choose auto, cpu, cuda or mps.")
    if not _has(device.type) or (device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count()):
        return torch.device("cpu"), f"This machine has no usable '{wanted}' device; the network ran on the CPU."
    return device, None


def _has(kind: str) -> bool:
    if kind == "cuda":
        return torch.cuda.is_available()
    if kind == "mps":
        return torch.backends.mps.is_available()
    return kind == "cpu"


def memory_budget(device: torch.device) -> int:
    """Return the bytes that the features of one tile may take on `device`."""
    if device.type == "cuda":
        free: int = torch.cuda.mem_get_info(device)[0]
        return int(0.8 * free)
    return min(_CPU_BYTES, int(_CPU_SHARE * psutil.virtual_memory().available))


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether `error` says that memory ran out, whatever its class."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in _MEMORY_MESSAGES)


def release_memory(device: torch.device) -> None:
    """Hand the caches of `device` back."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()
