"""Mergers: several sources become one, `b n c h w → b c h w`, for any n; chosen by name."""

from __future__ import annotations

from typing import Any

from napari_swinfusion.networks.blocks.entry import Block, BlockEntry, make_block
from napari_swinfusion.networks.blocks.mergers.concat import ConcatMerger
from napari_swinfusion.networks.blocks.mergers.cross_attention import CrossAttentionMerger
from napari_swinfusion.networks.blocks.mergers.gated import GatedMerger
from napari_swinfusion.networks.blocks.mergers.selective import SelectiveMerger

MERGERS = {
    "gated": BlockEntry(
        block=GatedMerger,
        good_for="picking the sharper source at each token; the cheapest, and it reaches no further",
        paper="Gated multimodal unit, arXiv 1702.01992",
        cost="n c²",
        reach=0,
    ),
    "selective": BlockEntry(
        block=SelectiveMerger,
        good_for="steady choices over regions: shares follow the mean around a token, not the token",
        paper="MSF of SHISRCNet, arXiv 2306.14119",
        cost="(n + 1) c²",
        reach=7,
    ),
    "concat": BlockEntry(
        block=ConcatMerger,
        good_for="a plain baseline that knows the order of the sources",
        paper="SwinFusion, 10.1109/JAS.2022.105686",
        cost="18 c²",
        reach=1,
    ),
    "cross-attention": BlockEntry(
        block=CrossAttentionMerger,
        good_for="comparing sources that do not lie exactly on each other: each looks around in the others",
        paper="SwinFusion, 10.1109/JAS.2022.105686; attention of SwinV2, arXiv 2111.09883",
        cost="n (4 c² + 128 c) + 18 c²",
        reach=8,
    ),
}


def make_merger(name: str, dim: int, **config: Any) -> Block:
    """Return the merger called `name` for `dim` channels; see `MERGERS`.

    Raises
    ------
    ConfigError
        If there is none of that name or it has no such setting.
    """
    return make_block(MERGERS, "merger", name, dim, config)
