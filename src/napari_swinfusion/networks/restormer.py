"""Restormer (Zamir et al., CVPR 2022, arXiv 2111.09881), after document 004: an image is painted by channel attention.

Its two homes here: sources enter side by side as channels and one image comes out (fusion), or one image is restored
(`n_sources=1`). It paints values that no plane measured, and each block sees the whole image: no finite reach.
Deviations: where several sources meet one output, the global residual is their mean (the published network has the
dual-pixel skip there, which is `dual_pixel=True`); grey planes of a network for colours are given to each channel and
its channels averaged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from einops import reduce, repeat
from torch import Tensor, nn

from napari_swinfusion.errors import ConfigError, InputError
from napari_swinfusion.networks.base import Fused, FusionNetwork, NetworkConfig, NetworkInfo
from napari_swinfusion.networks.blocks.channel_norm import NormKind
from napari_swinfusion.networks.blocks.restormer import RestormerBlock, shuffled_down, shuffled_up


@dataclass(frozen=True, kw_only=True)
class RestormerConfig(NetworkConfig):
    """Sizes of a `Restormer`; by default those published, for two grey sources.

    Attributes
    ----------
    n_sources
        Images it takes: 1 restores, 2 and more fuse.
    channels
        Channels of each source and of the answer: 1 grey, 3 colours.
    dim
        Channels at full resolution; they double where height and width halve. A multiple of 2.
    depths
        Blocks at each level, full resolution first; the decoder has as many at all levels but the last.
    refinement_depth
        Further blocks at full resolution, after the decoder.
    num_heads
        Heads at each level.
    mlp_ratio
        Width of the gated feed-forward over `dim`.
    bias
        Whether the convolutions of the blocks have offsets.
    norm
        "with-bias" or "bias-free"; see `ChannelNorm`.
    dual_pixel
        Whether the embedding of the sources skips to the last convolution, instead of the sources to the answer; the
        published network for the two views of a dual-pixel sensor has `n_sources=2`.
    """

    n_sources: int = 2
    channels: int = 1
    dim: int = 48
    depths: tuple[int, ...] = (4, 6, 6, 8)
    refinement_depth: int = 4
    num_heads: tuple[int, ...] = (1, 2, 4, 8)
    mlp_ratio: float = 2.66
    bias: bool = False
    norm: NormKind = "with-bias"
    dual_pixel: bool = False


class Restormer(FusionNetwork):
    """Paints one image from `n_sources` images; see the module's text.

    Raises
    ------
    ConfigError
        If the sizes do not fit each other.
    """

    config_class = RestormerConfig
    presets: ClassVar[dict[str, NetworkConfig]] = {
        "restormer-base": RestormerConfig(),
        "restormer-lite": RestormerConfig(dim=16, depths=(1, 1, 2, 2), refinement_depth=1, num_heads=(1, 2, 4, 4)),
    }
    config: RestormerConfig

    def __init__(self, config: RestormerConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or RestormerConfig()
        if len(config.depths) < 2 or len(config.depths) != len(config.num_heads):
            raise ConfigError(
                f"depths has {len(config.depths)} levels and num_heads {len(config.num_heads)}; "
                "give each level one of both, and at least 2 levels."
            )
        if config.dim % 2:
            raise ConfigError(
                f"{config.dim} channels cannot be halved by the downsampling; the next are {config.dim + 1}."
            )
        dims = [config.dim << level for level in range(len(config.depths))]
        # The decoder's last level keeps the channels of the encoder beside its own: it works on twice as many.
        wide = [2 * config.dim, *dims[1:-1]]

        def stage(dim: int, depth: int, num_heads: int) -> nn.Sequential:
            return nn.Sequential(
                *(
                    RestormerBlock(dim, num_heads, config.mlp_ratio, bias=config.bias, norm=config.norm)
                    for _ in range(depth)
                )
            )

        self.embed = nn.Conv2d(config.n_sources * config.channels, config.dim, 3, padding=1, bias=False)
        self.encoder = nn.ModuleList(map(stage, dims, config.depths, config.num_heads))
        self.down = nn.ModuleList(map(shuffled_down, dims[:-1]))
        self.up = nn.ModuleList(map(shuffled_up, dims[1:]))
        self.reduce = nn.ModuleList(
            nn.Conv2d(2 * dim, dim, 1, bias=config.bias) if level else nn.Identity()
            for level, dim in enumerate(dims[:-1])
        )
        self.decoder = nn.ModuleList(map(stage, wide, config.depths, config.num_heads))
        self.refinement = stage(wide[0], config.refinement_depth, config.num_heads[0])
        self.skip = nn.Conv2d(config.dim, wide[0], 1, bias=config.bias) if config.dual_pixel else None
        self.paint = nn.Conv2d(wide[0], config.channels, 3, padding=1, bias=config.bias)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.info = NetworkInfo(
            planes=(config.n_sources, config.n_sources),
            size_multiple=2 ** (len(dims) - 1),
            reach=None,
            output="image",
            order_aware=True,
            # Measured on CPU, where the widest features exist for one square at a time.
            cached_values=7 * wide[0] / config.n_sources,
        )

    def forward(self, planes: Tensor, prompt: Tensor | None = None) -> Fused:
        """Fuse `planes` `(b, n, h, w)`, n as many as `n_sources`; h and w are multiples of `info.size_multiple`.

        Raises
        ------
        InputError
            If there are more or fewer planes.
        TypeError
            If there is a prompt: this network takes none.
        """
        if prompt is not None:
            raise TypeError("Restormer takes no prompt.")
        if planes.shape[1] != self.config.n_sources:
            raise InputError(f"This Restormer takes {self.config.n_sources} planes, not {planes.shape[1]}.")
        painted = self.restore(repeat(planes, "b n h w -> b (n c) h w", c=self.config.channels))
        return Fused(painted.mean(1), None)

    def restore(self, sources: Tensor) -> Tensor:
        """Return the painted image `(b, c, h, w)` from sources `(b, n · c, h, w)`, source after source."""
        embedded = self.embed(sources)
        image, skips = embedded, []
        for level, stage in enumerate(self.encoder):
            self.tell(level / (2 * len(self.encoder)))
            if level:
                image = self.down[level - 1](image)
            image = stage(image)
            skips.append(image)
        for level in reversed(range(len(self.decoder))):
            self.tell(1 - (level + 2) / (2 * len(self.encoder)))
            image = torch.cat([self.up[level](image), skips[level]], dim=1)
            image = self.decoder[level](self.reduce[level](image))
        self.tell(1 - 1 / (2 * len(self.encoder)))
        image = self.refinement(image)
        if self.skip is not None:
            image = image + self.skip(embedded)
        painted: Tensor = self.paint(image)
        if self.skip is None:
            painted = painted + reduce(sources, "b (n c) h w -> b c h w", "mean", c=self.config.channels)
        return painted
