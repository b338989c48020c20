"""From features to the image, at its own size or enlarged: the four upsamplers of SwinIR and SwinFusion."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, get_args

from torch import nn

from napari_swinfusion.errors import ConfigError
from napari_swinfusion.networks.blocks.reach import Layer

Upsampler = Literal["", "pixelshuffle", "pixelshuffledirect", "nearest+conv"]

# Enlarging in steps; an image may be enlarged by these factors and no others.
STEPS: dict[int, tuple[int, ...]] = {1: (), 2: (2,), 3: (3,), 4: (2, 2), 8: (2, 2, 2)}
FEATURES = 64


class Painter(nn.Sequential):
    """Turn features `(b, dim, h, w)` into values `(b, channels, h · upscale, w · upscale)`.

    Parameters
    ----------
    upsampler
        - "": three convolutions; an enlarged image is interpolated from them (bilinear), nothing is learned for it;
        - "pixelshuffle": a convolution, then in steps of 2 or 3 a convolution whose channels become pixels;
        - "pixelshuffledirect": one convolution whose channels become pixels;
        - "nearest+conv": a convolution, then in steps each pixel is repeated and a convolution follows.
    upscale
        1, 2, 3, 4 or 8.

    Raises
    ------
    ConfigError
        If there is no such upsampler or factor.
    """

    def __init__(self, dim: int, channels: int, upsampler: Upsampler, upscale: int) -> None:
        if upsampler not in get_args(Upsampler):
            known = ", ".join(f"'{name}'" for name in get_args(Upsampler))
            raise ConfigError(f"There is no upsampler '{upsampler}'; known are {known}.")
        if upscale not in STEPS:
            raise ConfigError(f"upscale is {upscale}; it can be {', '.join(map(str, STEPS))}.")
        super().__init__(*_modules(dim, channels, upsampler, upscale))
        self.upscale = upscale

    def layers(self) -> Iterator[Layer]:
        """Yield the reach of each layer in px of the enlarged image, for `reach_through`."""
        pixel = self.upscale
        for layer in self:
            if isinstance(layer, nn.Conv2d) or (isinstance(layer, nn.Upsample) and layer.mode == "bilinear"):
                yield pixel
            if isinstance(layer, nn.PixelShuffle):
                pixel //= layer.upscale_factor
            elif isinstance(layer, nn.Upsample):
                pixel //= int(layer.scale_factor)  # type: ignore[arg-type]


def _modules(dim: int, channels: int, upsampler: Upsampler, upscale: int) -> Iterator[nn.Module]:
    def convolve(inputs: int, outputs: int) -> nn.Conv2d:
        return nn.Conv2d(inputs, outputs, 3, padding=1)

    if upsampler == "":
        yield from (convolve(dim, dim // 2), _leaky(), convolve(dim // 2, dim // 4), _leaky())
        yield convolve(dim // 4, channels)
        if upscale > 1:
            yield nn.Upsample(scale_factor=upscale, mode="bilinear")
        return
    if upsampler == "pixelshuffledirect":
        yield from (convolve(dim, channels * upscale**2), nn.PixelShuffle(upscale))
        return
    yield from (convolve(dim, FEATURES), nn.LeakyReLU(0.01, inplace=True))
    for step in STEPS[upscale]:
        if upsampler == "pixelshuffle":
            yield from (convolve(FEATURES, FEATURES * step**2), nn.PixelShuffle(step))
        else:
            yield from (nn.Upsample(scale_factor=step, mode="nearest"), convolve(FEATURES, FEATURES), _leaky())
    if upsampler == "nearest+conv":
        yield from (convolve(FEATURES, FEATURES), _leaky())
    yield convolve(FEATURES, channels)


def _leaky() -> nn.LeakyReLU:
    return nn.LeakyReLU(0.2, inplace=True)
