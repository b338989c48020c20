"""Mixers: tokens of one source see each other, `b c h w → b c h w`; chosen by name.

A network adds what a mixer returns to what it was given, normalised before.
"""

from __future__ import annotations

from typing import Any

from napari_swinfusion.networks.blocks.entry import Block, BlockEntry, make_block
from napari_swinfusion.networks.blocks.mixers.channel_spatial import ChannelSpatialMixer
from napari_swinfusion.networks.blocks.mixers.dilated import DilatedMixer
from napari_swinfusion.networks.blocks.mixers.multi_scale import MultiScaleMixer
from napari_swinfusion.networks.blocks.mixers.reduced_attention import ReducedAttentionMixer
from napari_swinfusion.networks.blocks.mixers.spatial_modulation import SpatialModulationMixer

MIXERS = {
    "dilated": BlockEntry(
        block=DilatedMixer,
        good_for="wide surroundings at full detail, where blur spreads over many tokens; the dearest",
        paper="MFE of SHISRCNet, arXiv 2306.14119",
        cost="41 c²",
        reach=22,
    ),
    "spatial-modulation": BlockEntry(
        block=SpatialModulationMixer,
        good_for="surroundings at four scales for next to nothing",
        paper="SAFM, arXiv 2302.13800",
        cost="c² + 3 c",
        reach=15,
    ),
    "reduced-attention": BlockEntry(
        block=ReducedAttentionMixer,
        good_for="long-range likeness in small images; its cost grows with the square of the image",
        paper="OSRA of TransXNet, arXiv 2310.19380",
        cost="1.03 c² + tokens · c / 32",
        reach=None,
    ),
    "channel-spatial": BlockEntry(
        block=ChannelSpatialMixer,
        good_for="stressing channels and places over the whole image; cheap, but it sees all of it",
        paper="CBAM, arXiv 1807.06521",
        cost="2 c + 98",
        reach=None,
    ),
    "multi-scale": BlockEntry(
        block=MultiScaleMixer,
        good_for="fine and coarse structure side by side in a short reach",
        paper="designed here; the name after MSAA of CM-UNet, arXiv 2405.10530",
        cost="4 c² + 83 c",
        reach=3,
    ),
}


def make_mixer(name: str, dim: int, **config: Any) -> Block:
    """Return the mixer called `name` for `dim` channels; see `MIXERS`.

    Raises
    ------
    ConfigError
        If there is none of that name or it has no such setting.
    """
    return make_block(MIXERS, "mixer", name, dim, config)
