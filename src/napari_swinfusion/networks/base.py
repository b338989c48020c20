"""What every fusion network is: planes in, an image and the share of each plane out, and facts that others act on.

Shapes: b samples, n planes, h × w pixels. The plane is an axis, never a suffix.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from napari_swinfusion.config import Config


@dataclass(frozen=True, kw_only=True)
class NetworkInfo:
    """Facts about a network; tiling, padding and menus follow them.

    Attributes
    ----------
    planes
        Fewest and most planes it takes; None means any number.
    size_multiple
        Height and width must be multiples of this, px.
    reach
        Farthest distance at which an input pixel changes an output pixel, px; None means unbounded. Where the network
        is `pairwise` this holds for two planes; `reach_for` tells it for more.
    output
        "weights": the image is a convex mean of the planes; "image": the network paints it.
    upscale
        Output size over input size.
    order_aware
        Whether the order of the planes carries meaning.
    prompt_width
        Width of the prompt embedding it takes, or None.
    pairwise
        Whether planes are fused two at a time, in a tree; it then reaches as much farther at each level.
    cached_values
        Values kept per plane and pixel during inference; says how large a tile fits the memory. Where the network is
        `pairwise`, the planes at work are two.
    """

    planes: tuple[int, int | None] = (2, None)
    size_multiple: int = 1
    reach: int | None = None
    output: Literal["weights", "image"] = "weights"
    upscale: int = 1
    order_aware: bool = False
    prompt_width: int | None = None
    pairwise: bool = False
    cached_values: float = 1.0

    def reach_for(self, n_planes: int) -> int | None:
        """Return the farthest distance, px, at which a pixel of `n_planes` planes changes an output pixel."""
        if self.reach is None or not self.pairwise:
            return self.reach
        return self.reach * (n_planes - 1).bit_length()

    def values_for(self, n_planes: int) -> float:
        """Return the values kept per pixel during inference with `n_planes` planes."""
        if not self.pairwise:
            return self.cached_values * n_planes
        # A pair at work, and the images and shares of the others.
        return self.cached_values * 2 + 2 * (n_planes - 2)


@dataclass(frozen=True)
class Fused:
    """What a network answers.

    Attributes
    ----------
    image
        `(b, h, w)`: the fused image in the scale of the planes.
    weights
        `(b, n, h, w)`: share of each plane, summing to 1 over n; None where the image is painted.
    focus
        `(b, n, h, w)`: probability that a plane is the truest single one, summing to 1 over n;
        None where the network does not tell it apart from `weights`.
    """

    image: Tensor
    weights: Tensor | None
    focus: Tensor | None = None


# So that torch.export can take a network apart.
torch.export.register_dataclass(Fused)


@dataclass(frozen=True, kw_only=True)
class NetworkConfig(Config):
    """Base of the configurations of networks."""


class FusionNetwork(nn.Module, ABC):
    """Base class of the fusion networks; subclasses set `config_class` and, per instance, `config` and `info`.

    `presets` are configurations with a name of their own in the registry.
    """

    config_class: ClassVar[type[NetworkConfig]]
    presets: ClassVar[dict[str, NetworkConfig]] = {}
    config: NetworkConfig
    info: NetworkInfo
    watch: Callable[[float], None] | None = None
    """Told the finished share of a long forward without gradients; may raise, to stop it."""

    def tell(self, share: float) -> None:
        """Report to `watch`, where there is one."""
        if self.watch is not None and not torch.is_grad_enabled():
            self.watch(share)

    @abstractmethod
    def forward(self, planes: Tensor, prompt: Tensor | None = None) -> Fused:
        """Fuse `planes` `(b, n, h, w)`, normalised grey; `prompt` is `(b, t, d)` where the network takes one."""

    def __call__(self, planes: Tensor, prompt: Tensor | None = None) -> Fused:
        """Fuse; see `forward`."""
        fused: Fused = super().__call__(planes, prompt)
        return fused
