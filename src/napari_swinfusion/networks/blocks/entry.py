"""What a block that can be chosen by name says of itself, and how it is built."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from torch import nn

from napari_swinfusion.errors import ConfigError
from napari_swinfusion.networks.blocks.reach import Layer, grid_of, reach_through


class Block(nn.Module):
    """Base class of mergers and mixers, which take any size.

    Attributes
    ----------
    layers
        What its layers do to the reach, in tokens; see `reach_through`.
    """

    layers: Sequence[Layer] = ()

    @property
    def reach(self) -> int | None:
        """Farthest distance at which an input token changes an output token, in tokens; None means unbounded."""
        return reach_through(self.layers)

    @property
    def multiple(self) -> int:
        """The grid, in tokens, on which it groups them; sizes off it are padded inside, by repeated edges."""
        return grid_of(self.layers)


@dataclass(frozen=True, kw_only=True)
class BlockEntry:
    """A block in a registry; `cost` counts multiplications a token for c channels and n sources, `reach` as in `Block`.

    Both hold for the default settings.
    """

    block: type[Block]
    good_for: str
    paper: str
    cost: str
    reach: int | None


def make_block(entries: Mapping[str, BlockEntry], kind: str, name: str, dim: int, config: Mapping[str, Any]) -> Block:
    """Return the block called `name` for `dim` channels.

    Raises
    ------
    ConfigError
        If there is none of that name or it has no such setting.
    """
    if name not in entries:
        raise ConfigError(f"There is no {kind} '{name}'; {_nearest(name, list(entries))}")
    block = entries[name].block
    settings = list(inspect.signature(block).parameters)[1:]
    for key in config:
        if key not in settings:
            raise ConfigError(f"The {kind} '{name}' has no setting '{key}'; {_nearest(key, settings)}")
    return block(dim, **config)


def _nearest(name: str, known: Sequence[str]) -> str:
    near = get_close_matches(name, known, n=1)
    return f"did you mean '{near[0]}'?" if near else f"known are {', '.join(known) or 'none'}."
