"""What all metrics ask of their images, said once."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from napari_swinfusion.errors import InputError


def check_range(data_range: float) -> None:
    """Raise `InputError` unless the distance from black to white is positive."""
    if not data_range > 0:
        raise InputError(f"The data range must be positive, not {data_range}.")


def check_sources(fused: NDArray[Any], sources: NDArray[Any]) -> None:
    """Raise `InputError` unless `sources` is `(n, h, w)`, n at least 1, over the pixels of `fused`."""
    if fused.ndim != 2 or sources.ndim != 3 or sources.shape[1:] != fused.shape or not len(sources):
        raise InputError(f"The sources {sources.shape} must be (n, h, w) with the shape of the image, {fused.shape}.")


def check_side(fused: NDArray[Any], least: int, metric: str) -> None:
    """Raise `InputError` where the image is smaller than the windows of a metric."""
    if min(fused.shape) < least:
        raise InputError(f"{metric} needs at least {least} px each way, but the image has {fused.shape}.")
