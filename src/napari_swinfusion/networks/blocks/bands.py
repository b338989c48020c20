"""Compute band by band of rows on CPU, so that temporaries stay in the processor's cache.

Half of the time of a naive transformer on CPU goes into page faults of temporaries that live for one line;
bands of a few megabytes avoid them and change no result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

BAND_TOKENS = 2048
BAND_PIXELS = 65536


@dataclass(frozen=True)
class Band:
    """Rows `start:stop` of an image, to be computed from rows `read_start:read_stop`."""

    start: int
    stop: int
    read_start: int
    read_stop: int

    @property
    def kept(self) -> slice:
        """The rows to keep of what was computed from the rows that were read."""
        return slice(self.start - self.read_start, self.stop - self.read_start)

    def of(self, image: Tensor) -> Tensor:
        """Return the rows `start:stop` of `image` `(..., h, w)`, a view."""
        return image[..., self.start : self.stop, :]

    def read(self, image: Tensor) -> Tensor:
        """Return the rows of `image` `(..., h, w)` that are read for these, a view."""
        return image[..., self.read_start : self.read_stop, :]


def in_one_piece(tensor: Tensor) -> bool:
    """Tell whether bands make no sense: while gradients are recorded, and off the CPU."""
    return torch.is_grad_enabled() or tensor.device.type != "cpu"


def bands(like: Tensor, *, multiple: int, halo: int, pixels: int = BAND_PIXELS) -> Iterator[Band]:
    """Cut the rows of `like` `(..., h, w)` into bands, or into one where `in_one_piece`.

    Parameters
    ----------
    multiple
        Bands start at multiples of this many rows.
    halo
        Rows read beyond a band on either side, where the image has them.
    pixels
        Of a band without its halo, about.
    """
    rows, columns = like.shape[-2:]
    height = rows if in_one_piece(like) else max(pixels // (columns * multiple), 1) * multiple
    for start in range(0, rows, height):
        stop = min(start + height, rows)
        yield Band(start, stop, max(start - halo, 0), min(stop + halo, rows))


def in_bands(step: Callable[[Tensor], Tensor], tokens: Tensor, *, axis: int, multiple: int = 1) -> Tensor:
    """Return `step(tokens)`, computed for bands of rows along `axis`.

    `tokens` is overwritten, unless it is `in_one_piece`.

    Parameters
    ----------
    step
        Keeps the shape, and the rows of different bands apart.
    tokens
        Channels last.
    multiple
        Rows that belong together.
    """
    rows = tokens.shape[axis]
    if rows == 0:
        return tokens
    if in_one_piece(tokens):
        return step(tokens)
    tokens_per_row = tokens.numel() // (rows * tokens.shape[-1])
    height = max(BAND_TOKENS // (tokens_per_row * multiple), 1) * multiple
    for start in range(0, rows, height):
        band = tokens.narrow(axis, start, min(height, rows - start))
        band.copy_(step(band))
    return tokens


def from_bands(step: Callable[[Tensor], Tensor], image: Tensor, *, halo: int, multiple: int = 1) -> Tensor:
    """Return `step(image)`, computed for bands of rows that see `halo` rows beyond; `image` stays as it is.

    Parameters
    ----------
    step
        Takes and returns `(..., h, w, c)`; may change everything, but all rows alike.
    image
        `(..., h, w, c)`.
    halo
        Rows beyond a band that change it.
    multiple
        Rows that belong together.
    """
    if in_one_piece(image):
        return step(image)
    result: Tensor | None = None
    for band in bands(image[..., 0], multiple=multiple, halo=halo):
        part = step(image[..., band.read_start : band.read_stop, :, :])
        grown, read = part.shape[-3], band.read_stop - band.read_start
        part = part[..., band.kept.start * grown // read : band.kept.stop * grown // read, :, :]
        if result is None:
            result = part.new_empty(*part.shape[:-3], image.shape[-3] * grown // read, *part.shape[-2:])
        result[..., band.start * grown // read : band.stop * grown // read, :, :] = part
    assert result is not None
    return result
