"""HybridFusionNet: a convolutional stem, SwinV2 blocks on patches, and a full-resolution decoder that scores each plane.

After document 003 (HybridFusionNet: CNN + SwinV2 with a decision mask), for any number of planes and any size: planes
share one encoder, exchange what they see along z, get a score for each pixel, and a softmax over the planes is the
share of each. Two planes are n = 2, and the document's mask is then `weights[:, 0]`. Deviations: patches of 4 px instead
of 2 (a quarter of the tokens; full-resolution features carry the detail past them), a second score that says which single
plane is truest, and no resizing.

During inference on CPU planes pass one by one; kept are only their tokens (one value in four per pixel and channel) and scores.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from napari_swinfusion.networks.base import Fused, FusionNetwork, NetworkConfig, NetworkInfo
from napari_swinfusion.networks.blocks.bands import bands
from napari_swinfusion.networks.blocks.plane_exchange import PlaneExchange
from napari_swinfusion.networks.blocks.swin import SwinStage


@dataclass(frozen=True, kw_only=True)
class HybridFusionConfig(NetworkConfig):
    """Sizes of a `HybridFusionNet`.

    Attributes
    ----------
    stem_channels
        Channels at full resolution.
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
        self.stem = nn.ModuleList([nn.Conv2d(1, c, 3, padding=1), nn.Conv2d(c, c, 3, padding=1)])
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
        """Fuse `planes` `(b, n, h, w)`; h and w are multiples of `info.size_multiple`. It takes no prompt."""
        streamed = not torch.is_grad_enabled() and planes.device.type == "cpu"
        step = 1 if streamed else planes.shape[1]
        tokens = self._encode(planes, step)
        for exchange, stage in zip(self.exchanges, self.stages, strict=True):
            tokens = exchange(tokens)
            if step == planes.shape[1]:
                tokens = _stage_of_planes(stage, tokens)
            else:
                for part in tokens.split(step, dim=1):
                    part.copy_(_stage_of_planes(stage, part))
        weights, focus = self._decode(planes, tokens, step).unbind(0)
        return Fused(torch.einsum("bnhw,bnhw->bhw", weights, planes), weights, focus)

    def _encode(self, planes: Tensor, step: int) -> Tensor:
        (b, n, h, w), patch = planes.shape, self.config.patch_size
        tokens: Tensor | None = None
        for band in bands(planes, multiple=patch, halo=patch):
            for i in range(0, n, step):
                detail = planes[:, i : i + step, band.read_start : band.read_stop, :, None]
                for convolution in self.stem:
                    detail = F.relu(_convolve(convolution, detail))
                patches = rearrange(detail[:, :, band.kept], "b n (h i) (w j) c -> b n h w (i j c)", i=patch, j=patch)
                embedded = self.embed_norm(self.embed(patches))
                if tokens is None:
                    tokens = embedded.new_empty(b, n, h // patch, w // patch, self.config.dim)
                tokens[:, i : i + step, band.start // patch : band.stop // patch] = embedded
        assert tokens is not None
        return tokens

    def _decode(self, planes: Tensor, tokens: Tensor, step: int) -> Tensor:
        patch = self.config.patch_size
        mean = planes.mean(1, keepdim=True)
        shares = planes.new_empty(2, *planes.shape)
        for band in bands(planes, multiple=patch, halo=patch):
            rows = slice(band.read_start, band.read_stop)
            token_rows = slice(band.read_start // patch, band.read_stop // patch)
            scores = []
            for i in range(0, planes.shape[1], step):
                part = planes[:, i : i + step, rows]
                detail = _convolve(self.detail, torch.stack([part, mean[:, :, rows].expand_as(part)], dim=-1))
                up = self.up(tokens[:, i : i + step, token_rows])
                seen = rearrange(up, "b n h w (i j c) -> b n (h i) (w j) c", i=patch, j=patch)
                mixed = F.relu(_convolve(self.mix, F.relu(detail + seen)))
                scores.append(self.score(mixed[:, :, band.kept]))
            shares[..., band.start : band.stop, :] = rearrange(
                torch.cat(scores, dim=1).to(planes.dtype).softmax(1), "b n h w s -> s b n h w"
            )
        return shares


def _convolve(convolution: nn.Module, image: Tensor) -> Tensor:
    # (b, n, h, w, c) in and out: channels last everywhere, so that patches and linear layers need no transposing.
    b, n = image.shape[:2]
    return rearrange(convolution(rearrange(image, "b n h w c -> (b n) c h w")), "(b n) c h w -> b n h w c", b=b, n=n)


def _stage_of_planes(stage: nn.Module, tokens: Tensor) -> Tensor:
    result: Tensor = stage(tokens.flatten(0, 1)).unflatten(0, tokens.shape[:2])
    return result


def _reach(config: HybridFusionConfig) -> int:
    # A token of a shifted window sees window + shift - 1 tokens through one pair of blocks, and two windows' half
    # further through each next pair; then the patch, two convolutions of the stem and one after the tokens.
    blocks = sum(config.depths)
    half = config.window_size // 2
    tokens = 2 * config.window_size - 1 - half + (blocks - 2) * half if blocks > 1 else config.window_size - 1
    return tokens * config.patch_size + config.patch_size - 1 + 2 + 1
