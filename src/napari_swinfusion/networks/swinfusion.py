"""SwinFusion (Ma et al., IEEE/CAA JAS 2022), after documents 000 and 001: two sources meet in crossed window attention.

Each source passes two convolutions and Swin blocks; blocks with crossed attention let each query the other; a
convolution merges both; Swin blocks and an upsampler make the image. `output="image"` paints it, as published;
`output="weights"` answers with the share of each source, so that fused values are means of measured ones.

Deviations: any size of image (a table of absolute positions repeats); more than two planes are fused in a tree inside
one forward; larger patches pass linear layers (the published code has a patch size and ignores it); the mean of the
sources is a constant; windows are computed in bands on a CPU. Padding is nobody's business here: height and width
are multiples of `info.size_multiple`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import lcm
from typing import ClassVar

import torch
from einops import repeat
from torch import Tensor, nn
from torch.nn import functional

from napari_swinfusion.errors import InputError
from napari_swinfusion.networks.base import Fused, FusionNetwork, NetworkConfig, NetworkInfo
from napari_swinfusion.networks.blocks.bands import from_bands, in_bands
from napari_swinfusion.networks.blocks.channels_last import convolve
from napari_swinfusion.networks.blocks.mergers import make_merger
from napari_swinfusion.networks.blocks.mixers import make_mixer
from napari_swinfusion.networks.blocks.mixers.residual import MixerResidual
from napari_swinfusion.networks.blocks.patch import PatchEmbed, PatchUnembed
from napari_swinfusion.networks.blocks.reach import Cells, Layer, grid_of, reach_through, scaled
from napari_swinfusion.networks.blocks.resample import Painter
from napari_swinfusion.networks.blocks.residual_swin import CrossSwinGroup, GroupOptions, SwinGroup
from napari_swinfusion.networks.blocks.swin import SwinOptions, make_norm
from napari_swinfusion.networks.swinfusion_config import SwinFusionConfig, light_config

# What is subtracted from colours: the mean of the DIV2K images, as in EDSR and SwinIR.
RGB_MEAN = (0.4488, 0.4371, 0.4040)
PAINTER_HALO = 4


class SwinFusion(FusionNetwork):
    """Fuses two sources, and more in a tree; see the module's text.

    Raises
    ------
    ConfigError
        If the sizes do not fit each other.
    """

    config_class = SwinFusionConfig
    presets: ClassVar[dict[str, NetworkConfig]] = {
        "swinfusion-base": SwinFusionConfig(),
        "swinfusion-lite": light_config(depth=2, heads=2),
        "swinfusion-ultralite": light_config(depth=1, heads=1),
    }
    config: SwinFusionConfig
    mean: Tensor

    def __init__(self, config: SwinFusionConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or SwinFusionConfig()
        dim, patch = config.dim, config.patch_size
        options = _group_options(config)

        def groups(depths: tuple[int, ...], heads: tuple[int, ...]) -> nn.ModuleList:
            return nn.ModuleList(
                SwinGroup(options, n, paths) for n, paths in zip(heads, _paths(config, depths), strict=True)
            )

        stems = 2 if config.shared == "nothing" else 1
        self.stem = nn.ModuleList(_stem(config) for _ in range(stems))
        self.embed = PatchEmbed(dim, patch, make_norm(config.norm, dim) if config.patch_norm else None)
        self.unembed = PatchUnembed(dim, patch)
        self.extract = nn.ModuleList(
            groups(config.extract_depths, config.extract_heads) for _ in range(config.branches)
        )
        self.norm_extract = nn.ModuleList(make_norm(config.norm, dim) for _ in range(config.branches))
        self.fuse = nn.ModuleList(
            CrossSwinGroup(options, heads, paths, config.branches)
            for heads, paths in zip(config.fuse_heads, _paths(config, config.fuse_depths), strict=True)
        )
        self.norm_fuse = nn.ModuleList(make_norm(config.norm, dim) for _ in range(config.branches))
        self.merge = make_merger(config.merger, dim)
        mixer = None if config.mixer is None else make_mixer(config.mixer, dim)
        self.mix = None if mixer is None else MixerResidual(mixer, dim)
        self.reconstruct = groups(config.reconstruct_depths, config.reconstruct_heads)
        self.norm_reconstruct = make_norm(config.norm, dim)
        self.paint = Painter(
            dim, 2 if config.output == "weights" else config.channels, config.upsampler, config.upscale
        )
        self.position: nn.Parameter | None = None
        if config.absolute_position and config.image_size is not None:
            height, width = config.image_size
            self.position = nn.Parameter(torch.empty(height // patch, width // patch, dim))
            nn.init.trunc_normal_(self.position, std=0.02)
        mean = RGB_MEAN if config.channels == 3 else (0.0,) * config.channels
        self.register_buffer("mean", torch.tensor(mean).reshape(-1, 1, 1), persistent=False)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        layers = self._layers()
        reach = reach_through(layers)
        self.info = NetworkInfo(
            planes=(2, None if config.upscale == 1 else 2),
            size_multiple=lcm(
                grid_of(layers) // config.upscale, *(config.image_size or () if self.position is not None else ())
            ),
            reach=None if reach is None else reach // config.upscale,
            output=config.output,
            upscale=config.upscale,
            order_aware=True,
            pairwise=True,
            # Two sources, their copies at a residual, and what they are merged to, shared by two planes.
            cached_values=2.5 * dim / patch**2 + 4,
        )

    def forward(self, planes: Tensor, prompt: Tensor | None = None) -> Fused:
        """Fuse grey `planes` `(b, n, h, w)`; a network for colours is given grey in each, and their mean taken.

        Raises
        ------
        InputError
            If there is one plane only, or more than two where the image is enlarged.
        TypeError
            If there is a prompt: this network takes none.
        """
        if prompt is not None:
            raise TypeError("SwinFusion takes no prompt.")
        image, weights = self.fuse_channels(repeat(planes, "b n h w -> b n c h w", c=self.config.channels))
        if weights is None:
            return Fused(image.mean(1), None)
        return Fused(torch.einsum("bnhw,bnhw->bhw", weights, planes), weights)

    def fuse_channels(self, sources: Tensor) -> tuple[Tensor, Tensor | None]:
        """Fuse sources `(b, n, c, h, w)` into an image `(b, c, h · upscale, w · upscale)`.

        More than two are fused in a tree: neighbours first, then what came of them.

        Returns
        -------
        The image, and the share of each source `(b, n, h, w)`; None where the image is painted.

        Raises
        ------
        InputError
            If there is one source only, or more than two where the image is enlarged.
        """
        n = sources.shape[1]
        if n < 2 or (n > 2 and self.config.upscale > 1):
            most = "two or more" if self.config.upscale == 1 else "two (what it enlarged, it cannot fuse again)"
            raise InputError(f"This SwinFusion takes {most} planes, not {n}.")
        finished = _Rounds(self.tell, (n - 1) * self._blocks())
        whole = torch.ones_like(sources[:, 0, :1])
        nodes = [(source, whole) for source in sources.unbind(1)]
        while len(nodes) > 1:
            pairs = zip(nodes[::2], nodes[1::2], strict=False)
            nodes = [self._join(*pair, finished) for pair in pairs] + nodes[len(nodes) // 2 * 2 :]
        image, shares = nodes[0]
        return image, shares if self.config.output == "weights" else None

    def _join(
        self, first: tuple[Tensor, Tensor], second: tuple[Tensor, Tensor], finished: Callable[[], None]
    ) -> tuple[Tensor, Tensor]:
        answer = self._answer([first[0], second[0]], finished)
        if self.config.output == "image":
            return answer / self.config.value_range + self.mean, first[1]
        # In the precision of the planes: in half of it their gradients drown.
        one, other = answer.to(first[1].dtype).softmax(1).split(1, dim=1)  # type: ignore[no-untyped-call]
        return one * first[0] + other * second[0], torch.cat([one * first[1], other * second[1]], dim=1)

    def _answer(self, sources: list[Tensor], finished: Callable[[], None]) -> Tensor:
        tokens = torch.stack([self._extract(source, i, finished) for i, source in enumerate(sources)])
        for group in self.fuse:
            tokens = group(tokens, finished)
        tokens = self._enter(self._merge(tokens))
        if self.mix is not None:
            tokens = self.mix(tokens)
        for group in self.reconstruct:
            tokens = group(tokens, finished)
        answer = from_bands(self._finish, tokens, halo=PAINTER_HALO)
        return answer.permute(0, 3, 1, 2)

    def _extract(self, source: Tensor, i: int, finished: Callable[[], None]) -> Tensor:
        stem, groups, norm = (branches[i % len(branches)] for branches in (self.stem, self.extract, self.norm_extract))
        image = ((source - self.mean) * self.config.value_range).permute(0, 2, 3, 1)
        patch = self.config.patch_size
        tokens = self._enter(
            from_bands(
                lambda rows: self.embed(convolve(stem, rows)), image, halo=-(-2 // patch) * patch, multiple=patch
            )
        )
        for group in groups:  # type: ignore[attr-defined]
            tokens = group(tokens, finished)
        return self._enter(in_bands(lambda rows: self.embed(self.unembed(norm(rows))), tokens, axis=-3))

    def _enter(self, tokens: Tensor) -> Tensor:
        if self.position is not None:
            rows, columns = (whole // part for whole, part in zip(tokens.shape[1:3], self.position.shape, strict=False))
            tokens = tokens + self.position.repeat(rows, columns, 1)
        return functional.dropout(tokens, self.config.drop, self.training)

    def _merge(self, tokens: Tensor) -> Tensor:
        norms, patch = self.norm_fuse, self.config.patch_size

        def merge(rows: Tensor) -> Tensor:
            maps = torch.stack([self.unembed(norms[i % len(norms)](source)) for i, source in enumerate(rows)])
            merged: Tensor = self.embed(self.merge(maps.permute(1, 0, 4, 2, 3)).permute(0, 2, 3, 1))
            return merged

        reach, multiple = self.merge.reach, self.merge.multiple
        if reach is None or multiple > 1:
            # It compares more than neighbours, and bands would cut what belongs together.
            return merge(tokens)
        return from_bands(merge, tokens, halo=-(-reach // patch))

    def _finish(self, tokens: Tensor) -> Tensor:
        return convolve(self.paint, self.unembed(self.norm_reconstruct(tokens)))

    def _blocks(self) -> int:
        config = self.config
        return 2 * sum(config.extract_depths) + 3 * sum(config.fuse_depths) + sum(config.reconstruct_depths)

    def _layers(self) -> list[Layer]:
        # The longest way through the network, in px of the image it paints.
        patch, upscale = self.config.patch_size, self.config.upscale
        tokens: list[Layer] = [
            layer
            for group in (*self.extract[0], *self.fuse)  # type: ignore[misc]
            for layer in group.layers()
        ]
        mixed = [] if self.mix is None else self.mix.mixer.layers
        after: list[Layer] = [*mixed, *(layer for group in self.reconstruct for layer in group.layers())]  # type: ignore[operator]
        border = Cells(patch)
        pixels = [2, border, *scaled(tokens, patch), border, *self.merge.layers, border, *scaled(after, patch), border]
        return [Cells(upscale), *scaled(pixels, upscale), *self.paint.layers()]


class _Rounds:
    """Counts finished blocks and tells their share of all."""

    def __init__(self, tell: Callable[[float], None], total: int) -> None:
        self._tell, self._total, self._done = tell, total, 0

    def __call__(self) -> None:
        self._done += 1
        self._tell(self._done / self._total)


def _group_options(config: SwinFusionConfig) -> GroupOptions:
    swin = SwinOptions(
        similarity="dot",
        qkv_bias=config.qkv_bias,
        qk_scale=config.qk_scale,
        drop=config.drop,
        attention_drop=config.attention_drop,
        norm_first=True,
        norm=config.norm,
        shifted=config.shifted,
    )
    return GroupOptions(
        dim=config.dim,
        window_size=config.window,
        mlp_ratio=config.mlp_ratio,
        swin=swin,
        residual=config.residual,
        checkpointing=config.checkpointing,
    )


def _stem(config: SwinFusionConfig) -> nn.Sequential:
    half = config.dim // 2
    return nn.Sequential(
        nn.Conv2d(config.channels, half, 3, padding=1),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(half, config.dim, 3, padding=1),
        nn.LeakyReLU(0.2, inplace=True),
    )


def _paths(config: SwinFusionConfig, depths: tuple[int, ...]) -> Iterator[list[float]]:
    # Stochastic depth rises over all blocks of a part.
    rising = torch.linspace(0, config.drop_path, sum(depths), device="cpu").tolist()
    for depth in depths:
        yield [rising.pop(0) for _ in range(depth)]
