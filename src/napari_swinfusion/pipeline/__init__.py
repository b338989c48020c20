"""The corridor: prepare → decide → compose, for each time point; public are `fuse`, `compose` and `restore`."""

from napari_swinfusion.pipeline.restoration import restore
from napari_swinfusion.pipeline.sources import Source, as_stack
from napari_swinfusion.pipeline.tiles import Blend, FusedTile, Prefer, TileCallback
from napari_swinfusion.pipeline.verbs import compose, fuse

__all__ = ["Blend", "FusedTile", "Prefer", "Source", "TileCallback", "as_stack", "compose", "fuse", "restore"]
