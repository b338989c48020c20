"""HybridFusionNet: a convolutional stem, SwinV2 blocks on patches, a full-resolution decoder that scores each plane.

After document 003 (HybridFusionNet: CNN + SwinV2 with a decision mask), for any number of planes and any size: planes
share one encoder, exchange what they see along z and get a score for each pixel; a softmax over the planes is the
share of each. Two planes are n = 2, and the document's mask is then `weights[:, 0]`. Deviations: patches of 4 px
instead of 2 (a quarter of the tokens; convolutions at full resolution carry the detail past them), a second score that
says which single plane is truest, no resizing, and by choice a second look at the shares, beside the image they make.

By name it takes parts of document 002 in: a merger makes one map of the planes before each exchange, which the planes
are compared with in place of their mean; a mixer works on each plane after each stage. And with several window sizes
each token sees as far as the information around it says, after the idea of document 003.

During inference on CPU planes pass one by one; only their tokens and scores are kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional

from napari_swinfusion.errors import ConfigError
from napari_swinfusion.networks.base import Fused, FusionNetwork, NetworkConfig, NetworkInfo
from napari_swinfusion.networks.blocks.adaptive_windows import AdaptiveSwinStage, adaptive_layers
from napari_swinfusion.networks.blocks.bands import BAND_PIXELS, bands, in_one_piece
from napari_swinfusion.networks.blocks.entry import Block
from napari_swinfusion.networks.blocks.layer_norm import LayerNorm
from napari_swinfusion.networks.blocks.mergers import make_merger
from napari_swinfusion.networks.blocks.mixers import make_mixer
from napari_swinfusion.networks.blocks.mixers.residual import MixerResidual
from napari_swinfusion.networks.blocks.plane_exchange import PlaneExchange
from napari_swinfusion.networks.blocks.reach import Cells, Layer, grid_of, reach_through, scaled
from napari_swinfusion.networks.blocks.second_look import SecondLook, look_layers
from napari_swinfusion.networks.blocks.swin import SwinStage

# Pixels times channels of a band at full resolution: wider ones spend less on halos, but more beyond the cache.
_DECODED_VALUES = 18 * BAND_PIXELS


@dataclass(frozen=True, kw_only=True)
class HybridFusionConfig(NetworkConfig):
    """Sizes of a `HybridFusionNet`.

    Attributes
    ----------
    stem_channels
        Channels at full resolution; the stem sees each plane beside the mean of all.
    dim
        Channels of a token.
    patch_size
        Side of a patch, px: one token stands for one patch.
    depths
        Blocks in each stage; an exchange between planes precedes every stage.
    num_heads, window_size, mlp_ratio
        Of the Swin blocks; the windows shift by half in every second block.
    adaptive_windows
        Sizes of nested windows, such as (4, 8, 16), to be mixed in place of `window_size`; see `AdaptiveSwinBlock`.
    merger
        A name of `MERGERS`, or None for the mean of the planes.
    mixer
        A name of `MIXERS`, or None. Some blocks see the whole image; the network then has no finite reach.
    second_look
        Channels of the second look at the shares, or 0 for none.
    second_look_blocks
        Residual blocks at quarter resolution in it; with these it sees the focus, too.
    """

    stem_channels: int = 12
    dim: int = 64
    patch_size: int = 4
    depths: tuple[int, ...] = (2, 2)
    num_heads: int = 2
    window_size: int = 8
    mlp_ratio: float = 2.0
    adaptive_windows: tuple[int, ...] = ()
    merger: str | None = None
    mixer: str | None = None
    second_look: int = 0
    second_look_blocks: int = 0


class HybridFusionNet(FusionNetwork):
    """Scores every pixel of every plane; see the module's text.

    Raises
    ------
    ConfigError
        If `num_heads` does not divide `dim`, or there is no such merger or mixer.
    """

    config_class = HybridFusionConfig
    config: HybridFusionConfig

    def __init__(self, config: HybridFusionConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or HybridFusionConfig()
        c, dim, patch = config.stem_channels, config.dim, config.patch_size
        self.stem = nn.ModuleList([nn.Conv2d(2, c, 3, padding=1), nn.Conv2d(c, c, 3, padding=1)])
        self.embed = nn.Linear(c * patch**2, dim)
        self.embed_norm = LayerNorm(dim)
        self.exchanges = nn.ModuleList(PlaneExchange(dim) for _ in config.depths)
        self.stages = nn.ModuleList(_stage(config, depth) for depth in config.depths)
        mergers = [make_merger(config.merger, dim) for _ in config.depths if config.merger is not None]
        mixers = [make_mixer(config.mixer, dim) for _ in config.depths if config.mixer is not None]
        self.mergers = nn.ModuleList(mergers)
        self.mixers = nn.ModuleList(MixerResidual(mixer, dim) for mixer in mixers)
        self.up = nn.Linear(dim, c * patch**2)
        self.detail = nn.Conv2d(2, c, 5, padding=2)
        self.mix = nn.Conv2d(c, c, 3, padding=1)
        self.score = nn.Linear(c, 2)
        self.second_look = _second_look(config)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        layers = _layers(config, mergers, mixers)
        self.info = NetworkInfo(
            planes=(2, None),
            size_multiple=grid_of(layers),
            reach=reach_through(layers),
            output="weights",
            order_aware=True,
            cached_values=(4 * dim if mergers else dim) / patch**2 + 3,
        )

    def forward(self, planes: Tensor, prompt: Tensor | None = None) -> Fused:
        """Fuse `planes` `(b, n, h, w)`; h and w are multiples of `info.size_multiple`.

        Raises
        ------
        TypeError
            If there is a prompt: this network takes none.
        """
        if prompt is not None:
            raise TypeError("HybridFusionNet takes no prompt.")
        step = planes.shape[1] if in_one_piece(planes) else 1
        mean = planes.mean(1, keepdim=True)
        tokens = self._encode(planes, mean, step)
        for i in range(len(self.stages)):
            tokens = self._stage(i, tokens)
        return self._decode(planes, mean, tokens, step)

    def _encode(self, planes: Tensor, mean: Tensor, step: int) -> Tensor:
        (b, n, h, w), patch = planes.shape, self.config.patch_size
        tokens: Tensor | None = None
        for band in bands(planes, multiple=patch, halo=len(self.stem)):
            self.tell(band.start / h / (len(self.stages) + 2))
            for i, detail in _beside(band.read(planes), band.read(mean), step):
                for convolution in self.stem:
                    detail = _convolved(convolution, detail)
                embedded: Tensor = self.embed_norm(self.embed(_in_patches(detail[:, :, band.kept], patch).flatten(-3)))
                if in_one_piece(planes):
                    return embedded
                if tokens is None:
                    tokens = embedded.new_empty(b, n, h // patch, w // patch, self.config.dim)
                tokens[:, i : i + step, band.start // patch : band.stop // patch] = embedded
        assert tokens is not None
        return tokens

    def _stage(self, i: int, tokens: Tensor) -> Tensor:
        merged = self.mergers[i](tokens.movedim(-1, 2)).movedim(1, -1) if self.mergers else None
        tokens = self.exchanges[i](tokens, merged)
        flat: Tensor = tokens.flatten(0, 1)
        if in_one_piece(tokens):
            flat = self.stages[i](flat)
            flat = self.mixers[i](flat) if self.mixers else flat
            return flat.view(tokens.shape)
        for k in range(len(flat)):
            self.tell((i + 1 + k / len(flat)) / (len(self.stages) + 2))
            plane = flat[k : k + 1]
            self.stages[i](plane)  # overwrites it
            if self.mixers:
                plane.copy_(self.mixers[i](plane))
        return flat.view(tokens.shape)

    def _decode(self, planes: Tensor, mean: Tensor, tokens: Tensor, step: int) -> Fused:
        patch = self.config.patch_size
        if in_one_piece(planes):
            weights, focus = self._score(planes, mean, tokens, step, slice(None)).softmax(2).unbind(0)
            if self.second_look is not None:
                weights = self.second_look(planes, mean, weights, focus)
            return Fused((weights * planes).sum(1), weights, focus)
        shares = planes.new_empty(2, *planes.shape)
        pixels = _DECODED_VALUES // self.config.stem_channels
        for band in bands(planes, multiple=patch, halo=patch, pixels=pixels):
            self.tell(1 - (1 - band.start / planes.shape[2]) / (len(self.stages) + 2))
            seen = tokens[:, :, band.read_start // patch : band.read_stop // patch]
            scores = self._score(band.read(planes), band.read(mean), seen, step, band.kept)
            band.of(shares).copy_(scores.softmax(2))
            del scores  # before the next are made
        weights, focus = shares.unbind(0)
        if self.second_look is not None:
            weights = self.second_look(planes, mean, weights, focus)
        parts = [(band.of(weights) * band.of(planes)).sum(1) for band in bands(planes, multiple=1, halo=0)]
        return Fused(torch.cat(parts, dim=-2), weights, focus)

    def _score(self, planes: Tensor, mean: Tensor, tokens: Tensor, step: int, kept: slice) -> Tensor:
        patch, parts = self.config.patch_size, []
        for k, detail in _beside(planes, mean, step):
            patches = self.up(tokens[:, k : k + step])
            seen = rearrange(patches, "b n h w (i j c) -> b n h w i j c", i=patch, j=patch)
            detail = _convolved(self.detail, detail, seen)
            mixed = _convolved(self.mix, detail)[:, :, kept]
            if torch.is_grad_enabled():
                # As a convolution: the gradients of a product with two columns take twice the time.
                image = rearrange(mixed, "b n h w c -> (b n) c h w")
                scores = functional.conv2d(image, self.score.weight[:, :, None, None], self.score.bias)
                parts.append(rearrange(scores, "(b n) k h w -> k b n h w", b=len(mixed)))
                continue
            # As a product with two rows; one with two columns is several times slower.
            flat = self.score.weight @ mixed.flatten(0, 3).t() + self.score.bias[:, None]
            parts.append(flat.view(2, *mixed.shape[:-1]))
        # Shares have the precision of the planes: in half of it their gradients drown.
        return torch.cat(parts, dim=2).to(planes.dtype)


def _beside(planes: Tensor, mean: Tensor, step: int) -> Iterator[tuple[int, Tensor]]:
    """Yield for every `step` planes the first one's number and those, beside the mean; the next overwrite them."""
    pair: Tensor | None = None
    for i in range(0, planes.shape[1], step):
        some = planes[:, i : i + step]
        if pair is None:
            pair = torch.stack([some, mean.expand_as(some)], dim=-1)
        else:
            pair[..., 0] = some
        yield i, pair


def _convolved(convolution: nn.Module, image: Tensor, patches: Tensor | None = None) -> Tensor:
    # (b, n, h, w, c) in and out: channels last everywhere, so that patches and linear layers need no transposing.
    b, n = image.shape[:2]
    flat = convolution(rearrange(image, "b n h w c -> (b n) c h w"))
    # Gradients of a view that is changed in place are copied several times; without them, patches that are added to a
    # view need not be laid out as an image first.
    if patches is not None and torch.is_grad_enabled():
        laid_out = rearrange(patches, "b n h w i j c -> b n (h i) (w j) c")
        flat.add_(rearrange(laid_out, "b n h w c -> (b n) c h w"))
    elif patches is not None:
        i, j = patches.shape[4:6]
        rearrange(flat, "(b n) c (h i) (w j) -> b n h w i j c", b=b, i=i, j=j).add_(patches)
    result: Tensor = rearrange(flat.relu_(), "(b n) c h w -> b n h w c", b=b, n=n)
    return result


def _stage(config: HybridFusionConfig, depth: int) -> nn.Sequential:
    if config.adaptive_windows:
        return AdaptiveSwinStage(config.dim, depth, config.num_heads, config.adaptive_windows, config.mlp_ratio)
    return SwinStage(config.dim, depth, config.num_heads, config.window_size, config.mlp_ratio)


def _second_look(config: HybridFusionConfig) -> SecondLook | None:
    if config.second_look_blocks and not config.second_look:
        raise ConfigError("Blocks of a second look need channels: set second_look, too.")
    return SecondLook(config.second_look, config.second_look_blocks) if config.second_look else None


def _in_patches(image: Tensor, patch: int) -> Tensor:
    # A view (b, n, h, w, i, j, c) of the image.
    split: Tensor = rearrange(image, "b n (h i) (w j) c -> b n h w i j c", i=patch, j=patch)
    return split


def _layers(config: HybridFusionConfig, mergers: list[Block], mixers: list[Block]) -> list[Layer]:
    # The longest way through the network: the stem, a patch, the stages, one convolution after them.
    tokens: list[Layer] = []
    for i, depth in enumerate(config.depths):
        half = config.window_size // 2
        windows: list[Layer] = [Cells(config.window_size, half * (k % 2)) for k in range(depth)]
        if config.adaptive_windows:
            windows = adaptive_layers(config.adaptive_windows, depth)
        before, after = (
            [layer for block in chosen[i : i + 1] for layer in block.layers] for chosen in (mergers, mixers)
        )
        tokens += [*before, *windows, *after]
    again = look_layers(config.second_look_blocks) if config.second_look else ()
    return [2, Cells(config.patch_size), *scaled(tokens, config.patch_size), Cells(config.patch_size), 1, *again]
