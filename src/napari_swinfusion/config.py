"""What all configurations have in common: frozen, plain values, and no key that nobody knows."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from difflib import get_close_matches
from typing import Any, Self

from napari_swinfusion.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Config:
    """Base of the frozen configurations; an unknown key is an error."""

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Build from plain values.

        Raises
        ------
        ConfigError
            If a key is unknown; the message names the nearest known one.
        """
        known = [entry.name for entry in fields(cls)]
        for key in values:
            if key not in known:
                near = get_close_matches(key, known, n=1)
                hint = f"did you mean '{near[0]}'?" if near else f"known are {', '.join(known)}."
                raise ConfigError(f"{cls.__name__} has no setting '{key}'; {hint}")
        # JSON knows no tuples.
        return cls(**{key: tuple(value) if isinstance(value, list) else value for key, value in values.items()})

    def to_dict(self) -> dict[str, Any]:
        """Return the plain values, for a file header."""
        return asdict(self)
