"""What can be chosen about a SwinFusion: every constructor parameter of document 001, with its meaning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from napari_swinfusion.errors import ConfigError
from napari_swinfusion.networks.base import NetworkConfig
from napari_swinfusion.networks.blocks.resample import Upsampler
from napari_swinfusion.networks.blocks.residual_swin import Residual

Shared = Literal["nothing", "stem", "branches"]


@dataclass(frozen=True, kw_only=True)
class SwinFusionConfig(NetworkConfig):
    """Sizes of a `SwinFusion`; by default those of the published multi-focus weights.

    In brackets: the name in document 001.

    Attributes
    ----------
    channels
        Channels of each source and of the image: 1 grey, 3 colours, or as many as there are (in_chans).
    dim
        Channels of a token (embed_dim).
    patch_size
        Side of the patch that one token stands for, px (patch_size).
    image_size
        Height and width the network was built for, px (img_size). It matters in two cases: where it is not larger than
        the window, windows have that size and are not shifted; and `absolute_position` has a table of that size.
    window_size
        Side of the windows of attention, tokens (window_size).
    extract_depths, extract_heads
        Swin blocks, and heads of their attention, in each group that a source passes alone (Ex_depths, Ex_num_heads).
    fuse_depths, fuse_heads
        The same for the groups in which the sources meet: as many blocks of each source alone, then as many that cross
        them (Fusion_depths, Fusion_num_heads).
    reconstruct_depths, reconstruct_heads
        The same for the groups after the sources are merged (Re_depths, Re_num_heads).
    mlp_ratio
        Width of the MLP of a block over `dim` (mlp_ratio).
    qkv_bias
        Whether queries, keys and values have a bias (qkv_bias).
    qk_scale
        Factor of query times key; None is one over the root of the channels of a head (qk_scale).
    drop, attention_drop, drop_path
        Probabilities in training: of dropping a value, a value of the attention, and the largest of letting a sample
        pass a branch by, which rises from 0 over the blocks of a part (drop_rate, attn_drop_rate, drop_path_rate).
    norm
        "layer_norm" or "rms_norm" (norm_layer).
    absolute_position
        Whether a learned table of positions is added to the tokens (ape); needs `image_size`.
    patch_norm
        Whether tokens are normalised where a map becomes tokens (patch_norm).
    checkpointing
        Whether training computes blocks twice to save memory (use_checkpoint).
    upscale
        Size of the image over that of the sources: 1, 2, 3, 4 or 8 (upscale).
    value_range
        Factor on the values before the network, taken back after it (img_range). `swinfusion-lite` as shares learned
        with 16, and not with 1.
    upsampler
        How features become the image; see `Painter` (upsampler).
    residual
        "1conv", "3conv" around each group as in the documents, or "none" as in the published weights (resi_connection).
    shared
        What both sources have in common: "nothing"; "stem", the first convolutions, as in the published weights; or
        "branches", all they pass before they are merged.
    merger
        What makes one map of both, a name of `MERGERS`; "concat" is the published one.
    mixer
        What works on that map before the last groups, a name of `MIXERS`, or None.
    output
        "image": the network paints; "weights": it gives each source its share.
    """

    channels: int = 1
    dim: int = 60
    patch_size: int = 1
    image_size: tuple[int, int] | None = None
    window_size: int = 8
    extract_depths: tuple[int, ...] = (4,)
    extract_heads: tuple[int, ...] = (6,)
    fuse_depths: tuple[int, ...] = (2, 2)
    fuse_heads: tuple[int, ...] = (6, 6)
    reconstruct_depths: tuple[int, ...] = (4,)
    reconstruct_heads: tuple[int, ...] = (6,)
    mlp_ratio: float = 2.0
    qkv_bias: bool = True
    qk_scale: float | None = None
    drop: float = 0.0
    attention_drop: float = 0.0
    drop_path: float = 0.0
    norm: str = "layer_norm"
    absolute_position: bool = False
    patch_norm: bool = True
    checkpointing: bool = False
    upscale: int = 1
    value_range: float = 1.0
    upsampler: Upsampler = ""
    residual: Residual = "none"
    shared: Shared = "stem"
    merger: str = "concat"
    mixer: str | None = None
    output: Literal["image", "weights"] = "image"

    def __post_init__(self) -> None:
        """Refuse what does not fit."""
        for part in ("extract", "fuse", "reconstruct"):
            depths, heads = getattr(self, f"{part}_depths"), getattr(self, f"{part}_heads")
            if len(depths) != len(heads):
                raise ConfigError(
                    f"{part}_depths has {len(depths)} groups and {part}_heads {len(heads)}; "
                    "give each group one of both."
                )
        if self.dim % 4:
            raise ConfigError(f"{self.dim} channels cannot be quartered on the way to the image; give a multiple of 4.")
        for name, choices in (("shared", get_args(Shared)), ("output", ("image", "weights"))):
            if getattr(self, name) not in choices:
                raise ConfigError(f"{name} is '{getattr(self, name)}'; it can be {', '.join(choices)}.")
        if self.absolute_position and self.image_size is None:
            raise ConfigError("absolute_position needs image_size, the size of its table.")
        if self.image_size is not None and any(side % self.patch_size for side in self.image_size):
            raise ConfigError(f"image_size {self.image_size} is no multiple of the patches of {self.patch_size} px.")
        if self.output == "weights" and self.upscale > 1:
            raise ConfigError("Shares of measured values cannot enlarge the image; output 'weights' needs upscale 1.")

    @property
    def branches(self) -> int:
        """How many sets of weights two sources pass before they are merged."""
        return 1 if self.shared == "branches" else 2

    @property
    def window(self) -> int:
        """Side of the windows after all, tokens."""
        return self.window_size if self.shifted else min(self.image_size or ()) // self.patch_size

    @property
    def shifted(self) -> bool:
        """Whether every second block shifts its windows."""
        return not self.image_size or min(self.image_size) // self.patch_size > self.window_size


def light_config(*, depth: int, heads: int) -> SwinFusionConfig:
    """Return the light network of document 000 (depth 2) or 001 (depth 1).

    Document 000 has three heads, which cannot share 8 channels; two are the nearest.
    """
    return SwinFusionConfig(
        dim=8,
        window_size=4,
        extract_depths=(depth,),
        extract_heads=(heads,),
        fuse_depths=(depth, depth),
        fuse_heads=(heads, heads),
        reconstruct_depths=(depth,),
        reconstruct_heads=(heads,),
        mlp_ratio=1.0,
        upscale=2,
        upsampler="pixelshuffledirect",
        residual="1conv",
    )
