"""HybridFusionNet: a convolutional stem, SwinV2 blocks on patches, a full-resolution decoder that scores each plane.

After document 003 (HybridFusionNet: CNN + SwinV2 with a decision mask), for any number of planes and any size: planes
share one encoder, exchange what they see along z and get a score for each pixel; a softmax over the planes is the
share of each. Two planes are n = 2, and the document's mask is then `weights[:, 0]`. Deviations: patches of 4 px
instead of 2 (a quarter of the tokens; convolutions at full resolution carry the detail past them), a second score that
says which single plane is truest, and no resizing.

During inference on CPU planes pass one by one; only their tokens and scores are kept.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from einops import rearrange
from torch import Tensor, nn

from napari_swinfusion.networks.base import Fused, FusionNetwork, NetworkConfig, NetworkInfo
from napari_swinfusion.networks.blocks.bands import bands, in_one_piece
from napari_swinfusion.networks.blocks.plane_exchange import PlaneExchange
from napari_swinfusion.networks.blocks.swin import SwinStage


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
    """

    stem_channels: int = 12
    dim: int = 64
    patch_size: int = 4
    depths: tuple[int, ...] = (2, 2)
    num_heads: int = 2
    window_size: int = 8
    mlp_ratio: float = 2.0


class HybridFusionNet(FusionNetwork):
    """Scores every pixel of every plane; see the module's text.

    Raises
    ------
    ConfigError
        If `num_heads` does not divide `dim`.
    """

    config_class = HybridFusionConfig
    config: HybridFusionConfig

    def __init__(self, config: HybridFusionConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or HybridFusionConfig()
        c, dim, patch = config.stem_channels, config.dim, config.patch_size
        self.stem = nn.ModuleList([nn.Conv2d(2, c, 3, padding=1), nn.Conv2d(c, c, 3, padding=1)])
        self.embed = nn.Linear(c * patch**2, dim)
        self.embed_norm = nn.LayerNorm(dim)
        self.exchanges = nn.ModuleList(PlaneExchange(dim) for _ in config.depths)
        self.stages = nn.ModuleList(
            SwinStage(dim, depth, config.num_heads, config.window_size, config.mlp_ratio) for depth in config.depths
        )
        self.up = nn.Linear(dim, c * patch**2)
        self.detail = nn.Conv2d(2, c, 5, padding=2)
        self.mix = nn.Conv2d(c, c, 3, padding=1)
        self.score = nn.Linear(c, 2)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.info = NetworkInfo(
            planes=(2, None),
            size_multiple=patch * config.window_size,
            reach=_reach(config),
            output="weights",
            order_aware=True,
            cached_values=dim / patch**2 + 3,
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
        rounds = len(self.stages) + 2
        for i, (exchange, stage) in enumerate(zip(self.exchanges, self.stages, strict=True), start=1):
            tokens = exchange(tokens)
            flat = tokens.flatten(0, 1)
            if in_one_piece(planes):
                tokens = stage(flat).unflatten(0, tokens.shape[:2])
                continue
            for k, plane in enumerate(flat.split(1)):
                self.tell((i + k / len(flat)) / rounds)
                stage(plane)  # overwrites it
        weights, focus = self._decode(planes, mean, tokens, step).unbind(0)
        return Fused(torch.einsum("bnhw,bnhw->bhw", weights, planes), weights, focus)

    def _encode(self, planes: Tensor, mean: Tensor, step: int) -> Tensor:
        (b, n, h, w), patch = planes.shape, self.config.patch_size
        tokens: Tensor | None = None
        for band in bands(planes, multiple=patch, halo=len(self.stem)):
            self.tell(band.start / h / (len(self.stages) + 2))
            for i in range(0, n, step):
                rows = slice(band.read_start, band.read_stop)
                detail = _beside(planes[:, i : i + step, rows], mean[:, :, rows])
                for convolution in self.stem:
                    detail = _convolve(convolution, detail).relu_()
                patches = rearrange(detail[:, :, band.kept], "b n (h i) (w j) c -> b n h w (i j c)", i=patch, j=patch)
                embedded = self.embed_norm(self.embed(patches))
                if tokens is None:
                    tokens = embedded.new_empty(b, n, h // patch, w // patch, self.config.dim)
                tokens[:, i : i + step, band.start // patch : band.stop // patch] = embedded
        assert tokens is not None
        return tokens

    def _decode(self, planes: Tensor, mean: Tensor, tokens: Tensor, step: int) -> Tensor:
        patch = self.config.patch_size
        shares = planes.new_empty(2, *planes.shape)
        for band in bands(planes, multiple=patch, halo=patch):
            self.tell(1 - (1 - band.start / planes.shape[2]) / (len(self.stages) + 2))
            rows = slice(band.read_start, band.read_stop)
            token_rows = slice(band.read_start // patch, band.read_stop // patch)
            scores = []
            for i in range(0, planes.shape[1], step):
                detail = _convolve(self.detail, _beside(planes[:, i : i + step, rows], mean[:, :, rows]))
                up = self.up(tokens[:, i : i + step, token_rows])
                seen = rearrange(up, "b n h w (i j c) -> b n (h i) (w j) c", i=patch, j=patch)
                mixed = _convolve(self.mix, detail.add_(seen).relu_()).relu_()
                scores.append(self.score(mixed[:, :, band.kept]))
            shares[..., band.start : band.stop, :] = rearrange(
                torch.cat(scores, dim=1).to(planes.dtype).softmax(1), "b n h w s -> s b n h w"
            )
        return shares


def _beside(planes: Tensor, mean: Tensor) -> Tensor:
    return torch.stack([planes, mean.expand_as(planes)], dim=-1)


def _convolve(convolution: nn.Module, image: Tensor) -> Tensor:
    # (b, n, h, w, c) in and out: channels last everywhere, so that patches and linear layers need no transposing.
    b, n = image.shape[:2]
    flat = convolution(rearrange(image, "b n h w c -> (b n) c h w"))
    result: Tensor = rearrange(flat, "(b n) c h w -> b n h w c", b=b, n=n)
    return result


def _reach(config: HybridFusionConfig) -> int:
    # A token of a shifted window sees window + shift - 1 tokens through one pair of blocks, and two windows' half
    # further through each next pair; then the patch, two convolutions of the stem and one after the tokens.
    blocks = sum(config.depths)
    half = config.window_size // 2
    tokens = 2 * config.window_size - 1 - half + (blocks - 2) * half if blocks > 1 else config.window_size - 1
    return tokens * config.patch_size + config.patch_size - 1 + 2 + 1
