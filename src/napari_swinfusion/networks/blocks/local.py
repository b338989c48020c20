"""What blocks share that look around in an image of any size."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from napari_swinfusion.errors import ConfigError


def padded(image: Tensor, multiple: int) -> Tensor:
    """Return `(b, c, h, w)` grown at the lower right to multiples of `multiple` by repeating its edges."""
    height, width = image.shape[-2:]
    missing = (0, -width % multiple, 0, -height % multiple)
    return functional.pad(image, missing, mode="replicate") if any(missing) else image


def local_mean(image: Tensor, window: int | None) -> Tensor:
    """Return the mean of `(b, c, h, w)` over a window of odd side, clipped at the edges; None is the whole image."""
    if window is None:
        return image.mean((2, 3), keepdim=True)
    half = window // 2
    rows = functional.avg_pool2d(image, (window, 1), 1, (half, 0), count_include_pad=False)
    mean: Tensor = functional.avg_pool2d(rows, (1, window), 1, (0, half), count_include_pad=False)
    return mean


def reach_of_mean(window: int | None) -> int | None:
    """Return the reach of `local_mean`, or raise `ConfigError` for a window that has no middle."""
    if window is None:
        return None
    if window < 1 or window % 2 == 0:
        raise ConfigError(f"A window of {window} tokens has no middle; choose an odd one, or None for the whole image.")
    return window // 2
